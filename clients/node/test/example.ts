// The types as a program uses them: scripts/generators compiles it.
import {
  type BatchResult,
  type FinishedTurn,
  type Turn,
  Ledger,
  QuotaExhaustedError,
  ValidationError,
  currentTurn,
} from "turnledger";

const ledger = new Ledger({ personalityId: "pers_a", onUnavailable: "raise", maxQueued: 10 });
const finished: FinishedTurn = { status: "completed", latency_ms: 1 };

export async function answer(question: string): Promise<number> {
  try {
    const length: number = await ledger.turn({ userId: "u_1" }, async (turn: Turn) => {
      turn.usage({ provider: "p", model: "m", inputTokens: 1, outputTokens: null });
      return question.length + (currentTurn() === turn ? 1 : 0);
    });
    return length;
  } catch (error) {
    if (error instanceof QuotaExhaustedError) console.log(error.resetsAt, error.component);
    if (error instanceof ValidationError) console.log(error.fields.map((each) => each.field));
    throw error;
  }
}

export async function record(): Promise<BatchResult[]> {
  const results: BatchResult[] = [];
  for await (const result of ledger.recordMany([finished])) results.push(result);
  const held = await ledger.reserve({ userId: "u_1", holdSeconds: 60 });
  const { state } = await ledger.complete(held, finished);
  await ledger.cancel(held);
  console.log(state, (await ledger.limits()).quota?.turns_remaining, ledger.waiting, ledger.lost);
  await ledger.flush({ timeoutMs: 1 });
  await ledger.close();
  // @ts-expect-error a turn has no text
  await ledger.record({ ...finished, message: "no" });
  // @ts-expect-error a status is one of four
  await ledger.record({ ...finished, status: "done" });
  return results;
}
