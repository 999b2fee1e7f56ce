/** Batches: cut by number and size, sent in order, and read element by element. */

import { ServerError, TurnledgerError, ValidationError, errorOf } from "./errors.js";

const MOST_TURNS = 500;
const MOST_BYTES = 1024 * 1024 - 16 * 1024;

/**
 * Return JSON as it is sent; throw ValidationError for a value that JSON lacks, such as NaN.
 * Fields that are undefined are left out.
 */
export function dump(body) {
  try {
    return JSON.stringify(body, finite);
  } catch {
    throw new ValidationError("The turn has a value that JSON lacks: send numbers and strings.", {
      code: "validation_error",
    });
  }
}

function finite(_name, value) {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("not finite");
  return value;
}

/** Collects elements until they fill a request. */
export class Batch {
  elements = [];
  #bytesCount = 0;

  /** Add an element with its JSON; return false if it belongs into the next batch. */
  add(element, text) {
    const bytesCount = Buffer.byteLength(text) + 1;
    const isFull = this.elements.length === MOST_TURNS || this.#bytesCount + bytesCount > MOST_BYTES;
    if (this.elements.length && isFull) return false;
    this.elements.push(element);
    this.#bytesCount += bytesCount;
    return true;
  }
}

/**
 * Yield `{turnId, state, error}` of each turn in order. `bodyOf` makes the body of a turn and may
 * throw: such a turn is refused alone. `ask` sends the JSON of a batch.
 */
export async function* recordInBatches(turns, bodyOf, ask) {
  let batch = new Batch();
  for await (const turn of turns) {
    const element = elementOf(turn, bodyOf);
    if (!batch.add(element, element.text)) {
      yield* await send(batch.elements, ask);
      batch = new Batch();
      batch.add(element, element.text);
    }
  }
  if (batch.elements.length) yield* await send(batch.elements, ask);
}

function elementOf(turn, bodyOf) {
  try {
    const body = bodyOf(turn);
    return { turnId: body.turn_id, text: dump(body), error: null };
  } catch (fault) {
    const error =
      fault instanceof TurnledgerError
        ? fault
        : new ValidationError("The turn is no object.", { code: "validation_error" });
    return { turnId: turn?.turn_id ?? null, text: "", error };
  }
}

async function send(elements, ask) {
  const sent = elements.filter((element) => element.error === null);
  const results = sent.length ? await resultsFor(sent, ask) : [];
  return elements.map((element) =>
    element.error === null ? results.shift() : refused(element, element.error),
  );
}

async function resultsFor(sent, ask) {
  try {
    const answer = await ask(`{"interactions":[${sent.map(({ text }) => text).join(",")}]}`);
    return resultsOf(answer, sent.length).map((result, index) =>
      isStored(result)
        ? { turnId: sent[index].turnId, state: result.status, error: null }
        : refused(sent[index], errorOf(result?.error, null, { turnId: sent[index].turnId })),
    );
  } catch (error) {
    if (!(error instanceof TurnledgerError)) throw error;
    return sent.map((element) => refused(element, error));
  }
}

function refused({ turnId }, error) {
  return { turnId, state: "refused", error };
}

/** Return the results of a batch; throw ServerError unless there is one for each element. */
export function resultsOf({ body, status }, count) {
  if (Array.isArray(body?.results) && body.results.length === count) return body.results;
  throw new ServerError("The answer to a batch lacks results.", { status });
}

export function isStored(result) {
  return result?.status === "created" || result?.status === "duplicate";
}
