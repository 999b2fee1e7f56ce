// The queue: when it sends, and what it makes of each refusal.
import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { errorOf, NetworkError } from "../src/errors.js";
import { Breaker } from "../src/http.js";
import { Queue } from "../src/queue.js";

const HOUR_MS = 3_600_000;
const stored = { status: "created", interaction_id: "int_1" };
const rejected = (code, details = null) => ({ status: "rejected", error: { code, details } });
const instant = (ms) => new Date(ms).toISOString();

/** A queue whose clocks stand still until they are moved; `answer` makes results or throws. */
function queueWith(answer) {
  const it = { nowMs: 1_000 * HOUR_MS, passedMs: 0, requests: [], refused: [] };
  const once = async (method, path, text) => {
    const body = text === undefined ? null : JSON.parse(text);
    it.requests.push([method, path]);
    const rows = body?.interactions ?? body?.completions ?? [body];
    const results = rows.map((row) => answer(row, path));
    const headers = new Headers({ date: new Date(it.nowMs).toUTCString() });
    return { status: 200, headers, body: { results } };
  };
  it.queue = new Queue(
    { once, sleep: async (ms) => it.pass(ms) },
    {
      maxQueued: 1_000,
      onRefused: ({ reason }) => it.refused.push(reason),
      now: () => it.nowMs,
      monotonic: () => it.passedMs,
    },
  );
  it.pass = (ms) => {
    it.nowMs += ms;
    it.passedMs += ms;
  };
  return it;
}

test("a busy program does not put sending off", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const it = queueWith(() => stored);
  for (let number = 0; number < 6; number += 1) {
    it.queue.add("record", { number });
    it.pass(20);
    mock.timers.tick(20);
  }
  mock.timers.reset();
  assert.equal(it.requests.length, 1);
});

test("flush ends in time although the ledger hangs", async () => {
  const hanging = { once: () => new Promise(() => {}), sleep: async () => {} };
  const queue = new Queue(hanging, { maxQueued: 9 });
  queue.add("record", {});
  assert.equal(await queue.flush(5), false);
  assert.equal(queue.waiting, 1);
  queue.close();
});

test("of a batch that is refused only the turn at fault is refused", async () => {
  const it = queueWith((row) => {
    if (row.number === 5) throw errorOf({ code: "validation_error" }, 400);
    return stored;
  });
  for (let number = 0; number < 9; number += 1) it.queue.add("record", { number });
  assert.equal(await it.queue.flush(1_000), true);
  assert.deepEqual(it.refused, ["400 validation_error"]);
});

test("a turn that the ledger failed to store is sent again, ever more slowly", async () => {
  let tries = 0;
  const it = queueWith(() => ((tries += 1) < 4 ? rejected("internal_error") : stored));
  it.queue.add("record", {});
  assert.equal(await it.queue.flush(HOUR_MS), true);
  assert.deepEqual([tries, it.passedMs, it.refused], [4, 1_000 + 2_000 + 4_000, []]);
});

test("a turn without quota waits for the next period, if that is near", async () => {
  const start = queueWith(() => stored).nowMs;
  const at = (ms) => rejected("quota_exhausted", { resets_at: instant(start + ms) });
  const it = queueWith((row) => (it.nowMs < start + row.resets ? at(row.resets) : stored));
  it.queue.add("record", { resets: 2 * HOUR_MS });
  it.queue.add("record", { resets: 90 * HOUR_MS });
  assert.equal(await it.queue.flush(3 * HOUR_MS), true);
  assert.deepEqual(it.refused, ["429 quota_exhausted"]);
  assert.equal(it.nowMs, start + 2 * HOUR_MS);
});

test("a turn of a clock that is ahead waits until the ledger's has reached it", async () => {
  const details = [{ field: "occurred_at", code: "out_of_range", message: "x" }];
  const early = (row) => Date.parse(row.occurred_at) > it.nowMs;
  const it = queueWith((row) => (early(row) ? rejected("validation_error", details) : stored));
  it.queue.add("record", { occurred_at: instant(it.nowMs + 90_000) });
  assert.equal(await it.queue.flush(HOUR_MS), true);
  assert.deepEqual([it.refused, it.passedMs], [[], 120_000]);
});

test("a conflict is delivered if the turn is recorded, else refused", async () => {
  const it = queueWith((row) => rejected("conflict", { reason: row.reason }));
  it.queue.add("record", { reason: "recorded" });
  it.queue.add("record", { reason: "other_content" });
  assert.equal(await it.queue.flush(1_000), true);
  assert.deepEqual(it.refused, ["409 conflict"]);
});

test("a cancel is dropped once its hold has ended", async () => {
  const it = queueWith(() => {
    throw new NetworkError("x");
  });
  const expiresAt = instant(it.nowMs + 5_000);
  it.queue.add("cancel", null, { interactionId: "int_1", expiresAt });
  assert.equal(await it.queue.flush(60_000), true);
  assert.ok(it.requests.length > 1);
  assert.ok(it.passedMs >= 5_000);
});

test("a ledger without batches of completions gets one after the other", async () => {
  const it = queueWith((_, path) => {
    if (path === "/v1/turns/completions") throw errorOf({ code: "not_found" }, 404);
    return stored;
  });
  for (const interactionId of ["int_1", "int_2"]) it.queue.add("complete", {}, { interactionId });
  assert.equal(await it.queue.flush(1_000), true);
  assert.deepEqual(it.requests.slice(1), [
    ["PUT", "/v1/turns/int_1"],
    ["PUT", "/v1/turns/int_2"],
  ]);
});

test("calls that fail at the same time open the breaker for five seconds, not for a minute", () => {
  let nowMs = 0;
  const breaker = new Breaker(() => nowMs);
  const isClosed = () => {
    try {
      breaker.requireClosed();
      return true;
    } catch {
      return false;
    }
  };
  for (let number = 0; number < 32; number += 1) breaker.unanswered();
  nowMs = 4_999;
  assert.equal(isClosed(), false);
  nowMs = 5_000;
  assert.deepEqual([isClosed(), isClosed()], [true, false]); // one call tries
  breaker.unanswered();
  nowMs = 14_999;
  assert.equal(isClosed(), false);
  nowMs = 15_000;
  assert.equal(isClosed(), true);
  breaker.answered();
  assert.equal(isClosed(), true);
});
