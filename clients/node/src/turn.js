/** A turn that runs: what it measures, and what is recorded of it. */

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

import { endOf } from "./ending.js";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
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
  usage(found) {
    const { provider, model, inputTokens, outputTokens } = found ?? {};
    this.#hasStarted = true;
    this.#usages.push({
      provider: text(provider),
      model: text(model),
      inputTokens: count(inputTokens),
      outputTokens: count(outputTokens),
    });
  }
  guardrail(...names) {
    this.#guardrails.push(...names.filter((name) => typeof name === "string"));
  }
  fail(errorCode) {
    this.#hasStarted = true;
    this.#failedCode = text(errorCode) ?? "error";
  }
  cancel() {
    this.#isCancelled = true;
  }

  /** Return the body of the recording, or null; `thrown` is `{error}`, or null without one. */
  body(thrown) {
    const end = endOf({
      thrown,
      failedCode: this.#failedCode,
      isCancelled: this.#isCancelled,
      hasStarted: this.#hasStarted,
      hasToken: this.#firstTokenMs !== null,
    });
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

function text(value) {
  return typeof value === "string" ? value : null;
}

function count(value) {
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function sum(numbers) {
  const known = numbers.filter((number) => number !== null);
  return known.length ? known.reduce((total, number) => total + number, 0) : null;
}
