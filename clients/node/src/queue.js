/** Turns that the ledger does not have yet, in memory, and their delivery in batches. */

import { Batch, dump, isStored, resultsOf } from "./batches.js";
import {
  AuthenticationError,
  ConflictError,
  LedgerUnavailable,
  NotFoundError,
  PaymentRequiredError,
  PermissionError,
  QueueFullError,
  QuotaExhaustedError,
  RateLimitError,
  errorOf,
} from "./errors.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const KEY_PAUSE_MS = 60_000;
const MOST_WAIT_MS = 3_600_000;
const OLDEST_MS = 48 * 3_600_000;
const REQUEST_MS = 10_000;
const SOON_MS = 50;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const ROUTES = {
  record: ["/v1/interactions/batch", "interactions"],
  complete: ["/v1/turns/completions", "completions"],
};
// The whole queue waits for these; any other error is about the turns that were sent.
const WAITING = [
  LedgerUnavailable,
  RateLimitError,
  AuthenticationError,
  PaymentRequiredError,
  PermissionError,
];

export class Queue {
  #rows = [];
  #timer = null;
  #timerAtMs = 0;
  #sending = null;
  #pauseUntil = 0;
  #failures = 0;
  #completesSingly = false;

  constructor(http, { maxQueued, onRefused, now = Date.now, monotonic = () => performance.now() }) {
    this.http = http;
    this.maxQueued = maxQueued;
    this.onRefused = onRefused;
    this.now = now;
    this.monotonic = monotonic; // pauses do not depend on a clock that may jump
  }

  get waiting() {
    return this.#rows.length;
  }

  /** Keep a turn of the kind `record`, `complete` or `cancel`, and send it soon. */
  add(kind, body, reservation = null) {
    const interactionId = reservation?.interactionId ?? null;
    const sent = kind === "complete" ? { interaction_id: interactionId, ...body } : body;
    const text = dump(sent); // throws here, not when it is sent among others
    if (this.#rows.length >= this.maxQueued) {
      throw new QueueFullError(`The queue holds ${this.maxQueued} turns: raise maxQueued.`);
    }
    const createdMs = this.now();
    const heldUntilMs = Date.parse(reservation?.expiresAt ?? "");
    this.#rows.push({ kind, body, text, interactionId, createdMs, heldUntilMs, dueMs: 0, tries: 0 });
    this.#schedule(SOON_MS);
  }

  /** Send until nothing waits; return false after `timeoutMs`. */
  async flush(timeoutMs) {
    const deadline = this.monotonic() + timeoutMs;
    while (this.#rows.length) {
      const waitMs = await within(this.#send(), deadline - this.monotonic());
      if (waitMs === null) return false; // an answer is still awaited
      if (!this.#rows.length) break;
      if (waitMs >= deadline - this.monotonic()) return false;
      await this.http.sleep(Math.max(waitMs, 1));
    }
    return true;
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Send after `waitMs`, or earlier if that is planned: a busy program must not put it off. */
  #schedule(waitMs) {
    const ms = Math.min(waitMs, MOST_WAIT_MS);
    const atMs = this.monotonic() + ms;
    if (this.#timer !== null && this.#timerAtMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(async () => {
      this.#timer = null;
      const nextMs = await this.#send();
      if (this.#rows.length) this.#schedule(nextMs);
    }, ms);
    this.#timer.unref(); // a program may end: flush() or close() sends the rest
  }

  /** Send one round; return the ms until the next one is worth a try. One round at a time. */
  #send() {
    this.#sending ??= this.#round().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #round() {
    const nowMs = this.monotonic();
    if (this.#pauseUntil > nowMs) return this.#pauseUntil - nowMs;
    const due = this.#rows.filter((row) => row.dueMs <= nowMs);
    if (!due.length) {
      return this.#rows.reduce((least, row) => Math.min(least, row.dueMs - nowMs), MOST_WAIT_MS);
    }
    try {
      const [first] = due;
      const cancel = due.find((row) => row.kind === "cancel");
      if (cancel) await this.#cancel(cancel);
      else if (first.kind === "complete" && this.#completesSingly) await this.#complete(first);
      else await this.#batch(cut(due.filter((row) => row.kind === first.kind)));
      this.#failures = 0;
      return 0;
    } catch (error) {
      return this.#pause(error);
    }
  }

  /** Give a reservation back; after its hold that has happened by itself. */
  async #cancel(row) {
    try {
      await this.http.once("DELETE", `/v1/turns/${row.interactionId}`, undefined, REQUEST_MS);
    } catch (error) {
      if (isWaiting(error) && this.now() < row.heldUntilMs) throw error;
    }
    this.#remove(row);
  }

  /** Complete one turn, of a ledger that takes no batch of completions. */
  async #complete(row) {
    try {
      const path = `/v1/turns/${row.interactionId}`;
      await this.http.once("PUT", path, dump(row.body), REQUEST_MS);
      this.#remove(row);
    } catch (error) {
      if (isWaiting(error)) throw error;
      this.#settle(row, error);
    }
  }

  async #batch(rows) {
    const [path, name] = ROUTES[rows[0].kind];
    let answer;
    try {
      const body = `{"${name}":[${rows.map((row) => row.text).join(",")}]}`;
      answer = await this.http.once("POST", path, body, REQUEST_MS);
    } catch (error) {
      const isMissing = error instanceof NotFoundError;
      if (isMissing && name === "completions") this.#completesSingly = true;
      else if (isMissing || isWaiting(error)) throw error;
      else if (rows.length === 1) this.#settle(rows[0], error);
      else for (const half of halves(rows)) await this.#batch(half);
      return;
    }
    const ledgerMs = Date.parse(answer.headers.get("date") ?? "");
    resultsOf(answer, rows.length).forEach((result, index) => {
      if (isStored(result)) this.#remove(rows[index]);
      else this.#settle(rows[index], errorOf(result?.error, null), ledgerMs);
    });
  }

  /** Decide what becomes of a turn that the ledger did not take. */
  #settle(row, error, ledgerMs = Number.NaN) {
    const waitMs = this.#waitMs(row, error, ledgerMs);
    if (waitMs !== null) row.dueMs = this.monotonic() + Math.max(waitMs, FIRST_PAUSE_MS);
    else if (error instanceof ConflictError && error.reason === "recorded") this.#remove(row);
    else this.#refuse(row, error);
  }

  /** Return the ms after which the ledger may take a turn; null if it never will. */
  #waitMs(row, error, ledgerMs) {
    if (error instanceof LedgerUnavailable || error instanceof RateLimitError) {
      row.tries += 1;
      return Math.min(FIRST_PAUSE_MS * 2 ** row.tries, LONGEST_PAUSE_MS);
    }
    if (error instanceof QuotaExhaustedError) {
      const until = Date.parse(error.details?.held_until ?? error.resetsAt ?? "");
      return until < row.createdMs + OLDEST_MS ? until - this.now() : null;
    }
    // A clock that is ahead: the ledger takes the turn once its own has reached it.
    const isInstant = error.fields?.[0]?.field === "occurred_at";
    return isInstant && Date.parse(row.body.occurred_at) > ledgerMs ? LONGEST_PAUSE_MS : null;
  }

  #pause(error) {
    let pauseMs = KEY_PAUSE_MS; // a wrong key, a suspended organization
    if (error instanceof LedgerUnavailable) {
      const longestMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
      this.#failures += 1;
      pauseMs = Math.max((longestMs * (1 + Math.random())) / 2, (error.retryAfterS ?? 0) * 1_000);
    } else if (error instanceof RateLimitError) pauseMs = (error.retryAfterS ?? 1) * 1_000;
    pauseMs = Math.min(pauseMs, MOST_WAIT_MS);
    this.#pauseUntil = this.monotonic() + pauseMs;
    return pauseMs;
  }

  #refuse(row, error) {
    this.#remove(row);
    try {
      this.onRefused?.({ body: row.body, reason: `${error.status} ${error.code}`, error });
    } catch {
      // A fault of the callback is its own.
    }
  }

  #remove(row) {
    const index = this.#rows.indexOf(row);
    if (index >= 0) this.#rows.splice(index, 1);
  }
}

function isWaiting(error) {
  return WAITING.some((kind) => error instanceof kind);
}

function cut(rows) {
  const batch = new Batch();
  for (const row of rows) if (!batch.add(row, row.text)) break;
  return batch.elements;
}

function halves(rows) {
  const middle = Math.ceil(rows.length / 2);
  return [rows.slice(0, middle), rows.slice(middle)];
}

/** Return what `promise` gives within `ms`, else null. */
async function within(promise, ms) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS), null);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
