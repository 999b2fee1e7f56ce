// Against a running service: TURNLEDGER_URL and TURNLEDGER_KEY name it.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Ledger, QuotaExhaustedError, TurnAlreadyRecordedError } from "../src/index.js";

test("a key with three turns records, reserves, completes, and is refused", async () => {
  const ledger = new Ledger({ personalityId: "pers_node" });
  const before = await ledger.limits();
  assert.equal(before.quota, null); // nothing is recorded yet

  const turn = { turn_id: "node-1", status: "completed", latency_ms: 1, occurred_at: new Date().toISOString() };
  assert.equal((await ledger.record(turn)).state, "created");
  assert.equal((await ledger.record(turn)).state, "duplicate");
  await assert.rejects(ledger.reserve({ turnId: "node-1" }), TurnAlreadyRecordedError);

  await ledger.turn({ userId: "u_1", relationshipId: "rel_1" }, (running) => {
    assert.equal(running.quota.turns_reserved, 1);
    running.usage({ provider: "openai", model: "gpt-4o", inputTokens: 5, outputTokens: 6 });
  });
  await ledger.turn({}, () => {}, { reserve: false });
  assert.equal(await ledger.flush(), true);

  assert.equal((await ledger.limits()).quota.turns_used, 3);
  await assert.rejects(
    ledger.turn({}, () => assert.fail("it ran")),
    QuotaExhaustedError,
  );
  assert.equal(await ledger.close(), true);
});
