/** Requests: one try, the circuit breaker, and repetitions within a budget. */

import {
  CircuitOpenError,
  LedgerTimeoutError,
  LedgerUnavailable,
  NetworkError,
  RateLimitError,
  ServerError,
  errorOf,
} from "./errors.js";

const FAILURES_COUNT = 5;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;
const MOST_BYTES = 16 * 1024 * 1024; // of an answer: a ledger's are far smaller

/** Opens after 5 calls in a row without an answer, for 5 s, doubling to 60 s. */
export class Breaker {
  #failures = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #openUntil = 0;

  constructor(now = () => performance.now()) {
    this.now = now;
  }

  requireClosed() {
    if (this.#failures < FAILURES_COUNT) return;
    const leftMs = this.#openUntil - this.now();
    if (leftMs > 0) {
      throw new CircuitOpenError("The ledger did not answer several times; it is not asked now.", {
        retryAfterS: leftMs / 1_000,
      });
    }
    // Only this call tries. Another failure pauses longer; failures of calls at the same time do not.
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    this.#openUntil = this.now() + this.#pauseMs;
  }

  answered() {
    this.#failures = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  unanswered() {
    this.#failures += 1;
    if (this.#failures >= FAILURES_COUNT) this.#openUntil = this.now() + this.#pauseMs;
  }
}

export class Http {
  constructor({ url, key, fetch, sleep }) {
    this.url = url;
    this.key = key;
    this.fetch = fetch;
    this.sleep = sleep;
    this.breaker = new Breaker();
  }

  /**
   * Send a request, and repeat it within `budgetMs` and `tries`. Returns `{status, headers, body}`
   * of a success. A spent quota and other refusals are never repeated.
   */
  async ask(method, path, body, { budgetMs, tries, turnId = null }) {
    const deadline = this.breaker.now() + budgetMs;
    for (let number = 1; ; number += 1) {
      const leftMs = deadline - this.breaker.now();
      const isShort = number < tries && budgetMs <= 1_000;
      try {
        return await this.once(method, path, body, Math.max(50, isShort ? leftMs / 2 : leftMs), turnId);
      } catch (error) {
        const waitMs = number < tries ? waitBeforeRetryMs(error, number) : null;
        if (waitMs === null || this.breaker.now() + waitMs >= deadline) throw error;
        await this.sleep(waitMs);
      }
    }
  }

  /** Send a request once. */
  async once(method, path, body, timeoutMs, turnId = null) {
    this.breaker.requireClosed();
    let answer;
    let text;
    try {
      answer = await this.fetch(this.url + path, {
        method,
        body,
        redirect: "manual", // a turn goes nowhere but to the ledger
        headers: {
          Authorization: `Bearer ${this.key}`,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
        signal: AbortSignal.timeout(Math.ceil(timeoutMs)),
      });
      text = await textOf(answer);
    } catch (cause) {
      this.breaker.unanswered();
      const isLate = cause?.name === "TimeoutError";
      const message = isLate ? "The ledger did not answer in time." : "The ledger cannot be reached.";
      throw new (isLate ? LedgerTimeoutError : NetworkError)(message, { turnId, cause });
    }
    return this.#read(answer, text, turnId);
  }

  #read(answer, text, turnId) {
    const parsed = parse(text);
    if (answer.status >= 200 && answer.status < 300 && (parsed !== undefined || answer.status === 204)) {
      this.breaker.answered();
      return { status: answer.status, headers: answer.headers, body: parsed };
    }
    const seconds = answer.headers.get("retry-after");
    const retryAfterS = /^[0-9]+$/.test(seconds ?? "") ? Number(seconds) : null;
    const isSuccess = answer.status < 300;
    const error = isSuccess
      ? new ServerError("The answer is not JSON: is the address that of a ledger?", { turnId })
      : errorOf(parsed?.error, answer.status, { retryAfterS, turnId });
    if (error instanceof LedgerUnavailable) this.breaker.unanswered();
    else this.breaker.answered();
    throw error;
  }
}

/** Return the ms to wait before a repetition; null if the request is not repeated. */
export function waitBeforeRetryMs(error, triesCount, jitter = Math.random()) {
  if (error instanceof CircuitOpenError) return null;
  if (error instanceof RateLimitError) return (error.retryAfterS ?? FIRST_WAIT_MS / 1_000) * 1_000;
  if (!(error instanceof LedgerUnavailable)) return null;
  const longestMs = Math.min(FIRST_WAIT_MS * 2 ** (triesCount - 1), LONGEST_WAIT_MS);
  return Math.max(longestMs * jitter, (error.retryAfterS ?? 0) * 1_000);
}

async function textOf(answer) {
  const parts = [];
  let bytesCount = 0;
  for await (const part of answer.body ?? []) {
    bytesCount += part.length;
    if (bytesCount > MOST_BYTES) throw new RangeError("The answer is too large.");
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
