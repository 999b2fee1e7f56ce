// The cases that all clients share: clients/shared/cases.json.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as turnledger from "../src/index.js";

const table = JSON.parse(readFileSync(new URL("../../shared/cases.json", import.meta.url)));
const held = { turnId: "turn_a", interactionId: "int_1", expiresAt: "2999-01-01T00:00:00.000Z" };
const turn = () => ({ status: "completed", latency_ms: 1, personality_id: "pers_a" });
const calls = {
  record: (ledger) => ledger.record(turn()),
  record_many: async (ledger) => {
    const results = [];
    for await (const result of ledger.recordMany([turn(), turn(), turn()])) results.push(result);
    return results;
  },
  complete: (ledger) => ledger.complete(held, turn()),
  reserve: (ledger) => ledger.reserve({ personalityId: "pers_a" }),
  cancel: (ledger) => ledger.cancel(held),
  read: (ledger) => ledger.limits(),
};
const enter = (ledger, options) =>
  ledger.turn({ personalityId: "pers_a" }, (turn) => {
    turn.cancel();
    return { isHeld: turn.interactionId !== null };
  }, options);
calls.turn = (ledger) => enter(ledger);
calls.turn_or_raise = (ledger) => enter(ledger, { onUnavailable: "raise" });
const names = { resets_at: "resetsAt" };

function answerOf(sent) {
  if (sent.fault === "connection") throw new TypeError("fetch failed");
  if (sent.fault === "timeout") throw new DOMException("late", "TimeoutError");
  const body = sent.text ?? (sent.error ? JSON.stringify({ error: sent.error }) : null);
  const text = body ?? (sent.body ? JSON.stringify(sent.body) : null);
  return new Response(text, { status: sent.status, headers: sent.headers });
}

for (const { name, call, answers, expect } of table.cases) {
  test(name, async () => {
    const left = [...answers];
    const waits = [];
    const ledger = new turnledger.Ledger({
      url: "http://ledger.test",
      key: "uniq_test_00000000",
      fetch: async () => answerOf(left.shift()),
      sleep: async (ms) => waits.push(ms / 1_000),
    });
    if (expect.error) {
      await assert.rejects(calls[call](ledger), (error) => {
        assert.equal(error.name, expect.error);
        for (const family of expect.families) assert.ok(error instanceof turnledger[family]);
        for (const [field, value] of Object.entries(expect.fields ?? {})) {
          assert.deepEqual(error[names[field] ?? field], value);
        }
        assert.doesNotMatch(error.message, /uniq_test/);
        return true;
      });
    } else {
      const done = await calls[call](ledger);
      if (expect.state) assert.equal(done.state, expect.state);
      if ("is_held" in expect) assert.equal(done.isHeld, expect.is_held);
      if (expect.states) {
        assert.deepEqual(done.map((result) => result.state), expect.states);
        const errors = done.map((result) => result.error && result.error.name);
        assert.deepEqual(errors, expect.errors ?? done.map(() => null));
      }
    }
    assert.equal(answers.length - left.length, expect.requests);
    if (expect.waits_s) assert.deepEqual(waits, expect.waits_s);
    const least = expect.least_waits_s ?? [];
    assert.ok(waits.length >= least.length);
    least.forEach((wait, index) => assert.ok(waits[index] >= wait));
  });
}
