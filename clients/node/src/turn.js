/** A turn that runs: what it measures, and how it ends. */

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIMEOUT = /Time(d)?[oO]ut|DeadlineExceeded/;
const MOST_CAUSES = 10;
const LONGEST_MS = 86_400_000;
const storage = new AsyncLocalStorage();

/** Return the innermost turn of this asynchronous context; undefined outside of turns. */
export function currentTurn() {
  return storage.getStore();
}

export function runIn(turn, run) {
  return storage.run(turn, run);
}

/** Return a new id: 26 characters that sort by time. */
export function newTurnId(nowMs = Date.now()) {
  let number = (BigInt(nowMs) << 80n) | BigInt(`0x${randomBytes(10).toString("hex")}`);
  let id = "";
  for (let place = 0; place < 26; place += 1) {
    id = ALPHABET[Number(number & 31n)] + id;
    number >>= 5n;
  }
  return id;
}

/** A turn between its beginning and its end. */
export class Turn {
  #startedMs = performance.now();
  #firstTokenMs = null;
  #hasStarted = false;
  #failedCode = null;
  #isCancelled = false;
  #usages = [];
  #guardrails = [];

  constructor(people, { turnId, reservation = null, occurredAt }) {
    this.people = people;
    this.turnId = turnId;
    this.reservation = reservation;
    this.occurredAt = occurredAt;
  }

  get interactionId() {
    return this.reservation?.interactionId ?? null;
  }
  get quota() {
    return this.reservation?.quota ?? null;
  }

  /** A model call begins: an exception from now on is a failed turn. */
  started() {
    this.#hasStarted = true;
  }
  firstToken() {
    this.#hasStarted = true;
    this.#firstTokenMs ??= performance.now();
  }
  /** Add tokens; provider and model of the largest output are recorded. */
  usage({ provider = null, model = null, inputTokens = null, outputTokens = null }) {
    this.#hasStarted = true;
    this.#usages.push({ provider, model, inputTokens, outputTokens });
  }
  guardrail(...names) {
    this.#guardrails.push(...names);
  }
  fail(errorCode) {
    this.#hasStarted = true;
    this.#failedCode = errorCode;
  }
  cancel() {
    this.#isCancelled = true;
  }

  /** Return the body of the recording, or null if nothing is recorded. */
  body(error) {
    const end = this.#end(error);
    if (end === null) return null;
    const nowMs = performance.now();
    const body = {
      turn_id: this.turnId,
      ...(this.reservation ? {} : { occurred_at: this.occurredAt }),
      ...this.people,
      status: end.status,
      latency_ms: Math.min(Math.round(nowMs - this.#startedMs), LONGEST_MS),
    };
    if (this.#firstTokenMs !== null) {
      const firstMs = Math.round(this.#firstTokenMs - this.#startedMs);
      body.time_to_first_token_ms = Math.min(firstMs, LONGEST_MS);
    }
    const usage = this.#usage();
    if (Object.keys(usage).length) body.usage = usage;
    if (this.#guardrails.length) body.guardrails = { applied: [...new Set(this.#guardrails)] };
    if (end.errorCode) body.error_code = end.errorCode;
    return body;
  }

  #end(error) {
    if (this.#isCancelled) return null;
    if (this.#failedCode !== null) return { status: "failed", errorCode: this.#failedCode };
    if (error === undefined) return { status: "completed" };
    if (!this.#hasStarted) return null;
    if (error?.name === "AbortError") {
      return this.#firstTokenMs === null
        ? { status: "failed", errorCode: "cancelled" }
        : { status: "completed", errorCode: "stream_closed" };
    }
    return { status: isTimeout(error) ? "timed_out" : "failed", errorCode: errorCodeOf(error) };
  }

  #usage() {
    const largest = this.#usages.reduce(
      (found, each) => ((each.outputTokens ?? 0) > (found.outputTokens ?? 0) ? each : found),
      this.#usages[0] ?? {},
    );
    const named = {
      llm_provider: largest.provider,
      llm_model: largest.model,
      input_tokens: sum(this.#usages.map((each) => each.inputTokens)),
      output_tokens: sum(this.#usages.map((each) => each.outputTokens)),
    };
    return Object.fromEntries(Object.entries(named).filter(([, value]) => value != null));
  }
}

/** Return the class of an error in snake case, as a label that the ledger takes. */
export function errorCodeOf(error) {
  const name = error?.constructor?.name ?? "Error";
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .toLowerCase();
  return words.replace(/[^a-z0-9_]/g, "_").replace(/^[_0-9]+/, "").slice(0, 32) || "error";
}

function isTimeout(error) {
  let seen = error;
  for (let depth = 0; seen && depth < MOST_CAUSES; depth += 1) {
    if (TIMEOUT.test(seen.name ?? "") || TIMEOUT.test(seen.constructor?.name ?? "")) return true;
    if (seen.code === "ETIMEDOUT" || seen.code === "UND_ERR_HEADERS_TIMEOUT") return true;
    seen = seen.cause;
  }
  return false;
}

function sum(numbers) {
  const known = numbers.filter((number) => Number.isSafeInteger(number) && number >= 0);
  return known.length ? known.reduce((total, number) => total + number, 0) : null;
}
