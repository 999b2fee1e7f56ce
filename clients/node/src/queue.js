/** Turns that the ledger does not have yet, in memory, and their delivery in batches. */

import {
  ConflictError,
  LedgerUnavailable,
  NotFoundError,
  QueueFullError,
  QuotaExhaustedError,
  RateLimitError,
  ServerError,
  ValidationError,
  errorOf,
} from "./errors.js";

const MOST_TURNS = 500;
const MOST_BYTES = 1024 * 1024 - 16 * 1024;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const KEY_PAUSE_MS = 60_000;
const MOST_WAIT_MS = 3_600_000;
const OLDEST_MS = 48 * 3_600_000;
const REQUEST_MS = 10_000;
const ROUTES = {
  record: ["/v1/interactions/batch", "interactions"],
  complete: ["/v1/turns/completions", "completions"],
};

export class Queue {
  #rows = [];
  #timer = null;
  #sending = null;
  #pauseUntil = 0;
  #failures = 0;

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
  add(kind, body, interactionId = null) {
    JSON.stringify(body); // throws here, not when it is sent among others
    if (this.#rows.length >= this.maxQueued) {
      throw new QueueFullError(`The queue holds ${this.maxQueued} turns: raise maxQueued.`);
    }
    this.#rows.push({ kind, body, interactionId, createdMs: this.now(), dueMs: 0 });
    this.#schedule(50);
  }

  /** Send until nothing waits; return false after `timeoutMs`. */
  async flush(timeoutMs) {
    const deadline = this.monotonic() + timeoutMs;
    while (this.#rows.length) {
      const waitMs = await this.#send();
      const leftMs = deadline - this.monotonic();
      if (this.#rows.length && waitMs >= leftMs) return false;
      if (this.#rows.length) await this.http.sleep(Math.max(waitMs, 1));
    }
    return true;
  }

  close() {
    clearTimeout(this.#timer);
  }

  #schedule(waitMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      const nextMs = await this.#send();
      if (this.#rows.length) this.#schedule(nextMs);
    }, Math.min(waitMs, MOST_WAIT_MS));
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
    const leftMs = this.#pauseUntil - this.monotonic();
    if (leftMs > 0) return leftMs;
    const due = this.#rows.filter((row) => row.dueMs <= this.now());
    if (!due.length) {
      return this.#rows.reduce((least, row) => Math.min(least, row.dueMs - this.now()), MOST_WAIT_MS);
    }
    try {
      const cancel = due.find((row) => row.kind === "cancel");
      if (cancel) await this.#cancel(cancel);
      else await this.#batch(cut(due.filter((row) => row.kind === due[0].kind)));
      this.#failures = 0;
      return 0;
    } catch (error) {
      return this.#pause(error);
    }
  }

  async #cancel(row) {
    try {
      await this.http.once("DELETE", `/v1/turns/${row.interactionId}`, undefined, REQUEST_MS);
    } catch (error) {
      if (!(error instanceof ConflictError || error instanceof NotFoundError)) throw error;
    }
    this.#remove(row);
  }

  async #batch(rows) {
    const [path, name] = ROUTES[rows[0].kind];
    let answer;
    try {
      const body = `{"${name}":[${rows.map(elementOf).join(",")}]}`;
      answer = await this.http.once("POST", path, body, REQUEST_MS);
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      if (rows.length === 1) this.#refuse(rows[0], error);
      else for (const half of halves(rows)) await this.#batch(half);
      return;
    }
    const results = resultsOf(answer, rows.length);
    results.forEach((result, index) => this.#settle(rows[index], result));
  }

  #settle(row, result) {
    if (isStored(result)) return this.#remove(row);
    const error = errorOf(result?.error, null);
    if (error instanceof LedgerUnavailable) row.dueMs = this.now() + 1_000;
    else if (error instanceof ConflictError && error.reason === "recorded") this.#remove(row);
    else if (error instanceof QuotaExhaustedError && fitsLater(row, error)) {
      row.dueMs = Date.parse(error.resetsAt);
    } else this.#refuse(row, error);
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

/** Return the results of a batch; throw ServerError unless there is one for each element. */
export function resultsOf({ body, status }, count) {
  if (Array.isArray(body?.results) && body.results.length === count) return body.results;
  throw new ServerError("The answer to a batch lacks results.", { status });
}

export function isStored(result) {
  return result?.status === "created" || result?.status === "duplicate";
}

function elementOf(row) {
  const { body, interactionId } = row;
  return JSON.stringify(row.kind === "complete" ? { interaction_id: interactionId, ...body } : body);
}

function cut(rows) {
  const chosen = [];
  let bytes = 0;
  for (const row of rows.slice(0, MOST_TURNS)) {
    bytes += Buffer.byteLength(elementOf(row)) + 1;
    if (chosen.length && bytes > MOST_BYTES) break;
    chosen.push(row);
  }
  return chosen;
}

function halves(rows) {
  const middle = Math.ceil(rows.length / 2);
  return [rows.slice(0, middle), rows.slice(middle)];
}

function fitsLater(row, error) {
  return Date.parse(error.resetsAt ?? "") < row.createdMs + OLDEST_MS;
}
