// How a turn ends, and what is sent of it.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ConfigurationError, Ledger, QuotaExhaustedError, currentTurn } from "../src/index.js";

/** A ledger in memory: answers reservations and batches, and keeps what was sent. */
function fakeLedger({ quota = Infinity, faults = [] } = {}) {
  const sent = { record: [], complete: [], cancelled: 0, held: 0 };
  const json = (status, body, headers) =>
    new Response(body === null ? null : JSON.stringify(body), { status, headers });
  const fetch = async (url, { method, body }) => {
    const fault = faults.shift();
    if (fault) return json(fault, { error: { code: "service_unavailable", message: "x" } });
    const path = new URL(url).pathname;
    const parsed = body ? JSON.parse(body) : null;
    if (method === "DELETE") {
      sent.cancelled += 1;
      return json(204, null);
    }
    if (path === "/v1/turns") {
      if (sent.held >= quota) {
        const details = { component: "turns", used: 1, limit: quota, resets_at: "2999-01-01T00:00:00Z" };
        return json(429, { error: { code: "quota_exhausted", message: "spent", details } });
      }
      sent.held += 1;
      return json(201, { interaction_id: `int_${sent.held}`, expires_at: "2999", quota: null });
    }
    const kind = path.endsWith("completions") ? "complete" : "record";
    const turns = parsed.completions ?? parsed.interactions;
    sent[kind].push(...turns);
    return json(200, { results: turns.map(() => ({ status: "created", interaction_id: "int_1" })) });
  };
  const ledger = new Ledger({
    url: "http://ledger.test",
    key: "uniq_test_00000000",
    personalityId: "pers_a",
    fetch,
  });
  return { ledger, sent };
}

const who = { userId: "u_1", relationshipId: "rel_1" };

test("a turn that ends normally is completed with its measures", async () => {
  const { ledger, sent } = fakeLedger();
  const answer = await ledger.turn(who, async (turn) => {
    assert.equal(currentTurn(), turn);
    turn.firstToken();
    turn.usage({ provider: "small", model: "m-1", inputTokens: 3, outputTokens: 1 });
    turn.usage({ provider: "large", model: "m-2", inputTokens: 4, outputTokens: 9 });
    return "done";
  });
  assert.equal(answer, "done");
  assert.equal(currentTurn(), undefined);
  assert.equal(await ledger.flush(), true);
  const [body] = sent.complete;
  assert.equal(body.interaction_id, "int_1");
  assert.equal(body.mode, "stateful");
  assert.equal(body.status, "completed");
  assert.equal(body.occurred_at, undefined);
  assert.deepEqual(body.usage, {
    llm_provider: "large",
    llm_model: "m-2",
    input_tokens: 7,
    output_tokens: 10,
  });
});

class OwnTimeoutError extends Error {}
const ends = [
  [new RangeError("x"), "failed", "range_error"],
  [new OwnTimeoutError("x"), "timed_out", "own_timeout_error"],
  [new Error("x", { cause: new DOMException("late", "TimeoutError") }), "timed_out", "error"],
  [new DOMException("left", "AbortError"), "failed", "cancelled"],
];
for (const [error, status, code] of ends) {
  test(`an exception after the start is ${status}, ${code}`, async () => {
    const { ledger, sent } = fakeLedger();
    const run = (turn) => {
      turn.started();
      throw error;
    };
    await assert.rejects(ledger.turn(who, run, { reserve: false }), error);
    await ledger.flush();
    const [body] = sent.record;
    assert.equal(body.status, status);
    assert.equal(body.error_code, code);
    assert.ok(body.occurred_at);
  });
}

test("an exception before the start gives the reservation back", async () => {
  const { ledger, sent } = fakeLedger();
  const run = () => {
    throw new RangeError("x");
  };
  await assert.rejects(ledger.turn(who, run), RangeError);
  await ledger.flush();
  assert.deepEqual([sent.cancelled, sent.record, sent.complete], [1, [], []]);
});

test("a reader that leaves after the first token pays", async () => {
  const { ledger, sent } = fakeLedger();
  const run = (turn) => {
    turn.firstToken();
    throw new DOMException("left", "AbortError");
  };
  await assert.rejects(ledger.turn(who, run));
  await ledger.flush();
  assert.equal(sent.complete[0].error_code, "stream_closed");
  assert.equal(sent.complete[0].status, "completed");
});

test("a spent quota refuses the turn before it runs", async () => {
  const { ledger } = fakeLedger({ quota: 0 });
  const run = () => assert.fail("it ran");
  await assert.rejects(ledger.turn(who, run), QuotaExhaustedError);
});

test("an unavailable ledger lets the turn run, and gets it later", async () => {
  const { ledger, sent } = fakeLedger({ faults: [503, 503] });
  await ledger.turn(who, (turn) => turn.started());
  assert.equal(await ledger.flush(), true);
  assert.equal(sent.record.length, 1);
});

test("many turns are recorded in order", async () => {
  const { ledger, sent } = fakeLedger();
  const turns = Array.from({ length: 501 }, (_, number) => ({
    status: "completed",
    latency_ms: number,
  }));
  const states = [];
  for await (const result of ledger.recordMany(turns)) states.push(result.state);
  assert.equal(states.length, 501);
  assert.deepEqual(
    sent.record.map((turn) => turn.latency_ms),
    turns.map((turn) => turn.latency_ms),
  );
});

test("a missing address or key is named", () => {
  assert.throws(() => new Ledger({ url: "", key: "" }), ConfigurationError);
  assert.throws(() => new Ledger({ url: "http://a", key: "nothing" }), /TURNLEDGER_KEY/);
});

const garbage = [
  ["an empty object", 201, "{}"],
  ["a list", 201, "[]"],
  ["nothing", 204, null],
  ["a page", 200, "<html>"],
  ["an endless wait", 429, "", { "retry-after": "9".repeat(400) }],
  ["too few results", 200, '{"results":[]}'],
  ["no result", 200, '{"results":[{}]}'],
];
for (const [name, status, text, headers] of garbage) {
  test(`a turn runs, and is kept, if the ledger answers ${name}`, async () => {
    const ledger = new Ledger({
      url: "http://ledger.test",
      key: "uniq_test_00000000",
      personalityId: "pers_a",
      fetch: async () => new Response(text, { status, headers }),
    });
    assert.equal(await ledger.turn(who, () => "done"), "done");
    assert.equal(await ledger.flush({ timeoutMs: 100 }), false);
    assert.equal(ledger.waiting, 1);
    await assert.rejects(ledger.record({ status: "completed", latency_ms: 1 }));
    ledger.close();
  });
}

test("numbers that JSON lacks replace no result, and block no other turn", async () => {
  const { ledger, sent } = fakeLedger();
  const run = (turn) => {
    turn.usage({ inputTokens: 10n, outputTokens: Number.NaN });
    return "done";
  };
  assert.equal(await ledger.turn(who, run), "done");
  assert.equal(await ledger.turn(who, (turn) => turn.guardrail(10n) ?? "done"), "done");
  await ledger.turn(who, (turn) => turn.usage({ inputTokens: 1 }));
  assert.equal(await ledger.flush({ timeoutMs: 1_000 }), true);
  assert.deepEqual(
    sent.complete.map((body) => body.usage),
    [undefined, { input_tokens: 1 }],
  );
});
