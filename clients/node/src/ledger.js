/** The client of a ledger. Bodies keep the wire's names; options are camelCase. */

import { setTimeout as sleepMs } from "node:timers/promises";

import { dump, recordInBatches } from "./batches.js";
import {
  AuthenticationError,
  LedgerUnavailable,
  NotFoundError,
  PaymentRequiredError,
  PermissionError,
  RateLimitError,
  ServerError,
  TurnledgerError,
  ValidationError,
} from "./errors.js";
import { Http } from "./http.js";
import { readOptions } from "./options.js";
import { Queue } from "./queue.js";
import { Turn, newTurnId, runIn } from "./turn.js";

const RECORD_TRIES = 4;
const READ_TRIES = 3;
const RESERVE_TRIES = 2;
const EXIT_MS = 2_000;
// A turn runs unheld after these: a wrong key or address must not stop a program.
const UNHELD = [
  LedgerUnavailable,
  RateLimitError,
  AuthenticationError,
  PaymentRequiredError,
  PermissionError,
  NotFoundError,
];
const INTERACTION_ID = /^[A-Za-z0-9_]{1,64}$/;

export class Ledger {
  #http;
  #queue;
  #options;

  #lost = 0;

  constructor(options = {}) {
    this.#options = readOptions(options);
    const { url, key, maxQueued, onRefused } = this.#options;
    this.#http = new Http({
      url,
      key,
      fetch: options.fetch ?? fetch,
      sleep: options.sleep ?? sleepMs,
    });
    this.#queue = new Queue(this.#http, { maxQueued, onRefused });
  }

  /** Record a finished turn. Returns `{state, turnId, interactionId}`. */
  async record(turn) {
    const body = this.#complete(turn);
    const answer = await this.#ask("POST", "/v1/interactions", dump(body), body.turn_id);
    return recorded(answer, body.turn_id);
  }

  /** Record turns in batches of up to 500; yields `{turnId, state, error}` in order. */
  recordMany(turns) {
    const ask = (text) => this.#ask("POST", "/v1/interactions/batch", text, null);
    return recordInBatches(turns, (turn) => this.#complete(turn), ask);
  }

  /** Hold a turn. Returns `{turnId, interactionId, expiresAt, quota}`. */
  async reserve({ turnId = newTurnId(), holdSeconds, ...identity } = {}) {
    const body = {
      turn_id: turnId,
      ...this.#people(identity),
      ...(holdSeconds === undefined ? {} : { hold_seconds: holdSeconds }),
    };
    const answer = await this.#http.ask("POST", "/v1/turns", dump(body), {
      budgetMs: this.#options.reserveTimeoutMs,
      tries: RESERVE_TRIES,
      turnId,
    });
    const { interaction_id: interactionId, expires_at: expiresAt, quota } = turnOf(answer);
    return { turnId, interactionId, expiresAt, quota };
  }

  /** Record a reserved turn; never refused for quota. */
  async complete(reservation, turn) {
    const { occurred_at: _, ...body } = this.#complete({ ...turn, turn_id: reservation.turnId });
    const path = `/v1/turns/${reservation.interactionId}`;
    return recorded(await this.#ask("PUT", path, dump(body), body.turn_id), body.turn_id);
  }

  /** Give a reservation back, unbilled. */
  async cancel(reservation) {
    const path = `/v1/turns/${reservation.interactionId}`;
    await this.#ask("DELETE", path, undefined, reservation.turnId);
  }

  /** Return what is left of the quota and of the rate limit. It costs nothing of either. */
  async limits() {
    const answer = await this.#http.ask("GET", "/v1/limits", undefined, {
      budgetMs: this.#options.timeoutMs,
      tries: READ_TRIES,
    });
    if (typeof answer.body?.rate_limit !== "object" || answer.body.rate_limit === null) {
      throw foreign(answer, "has no rate_limit");
    }
    return answer.body;
  }

  /**
   * Run a turn: reserve it, run `run(turn)`, and record it at its end. Returns what `run` returns.
   * Throws before `run` is called only: QuotaExhaustedError, ValidationError, the errors of a used
   * `turnId`, and LedgerUnavailable with `onUnavailable: "raise"`.
   */
  async turn(identity, run, { reserve = true, holdSeconds, turnId = newTurnId(), onUnavailable } = {}) {
    const people = this.#people(identity);
    const reservation = reserve
      ? await this.#reserved({ ...identity, turnId, holdSeconds }, onUnavailable)
      : null;
    const occurredAt = new Date().toISOString();
    const turn = new Turn(people, { turnId, reservation, occurredAt });
    try {
      const result = await runIn(turn, () => run(turn));
      this.#end(turn, null);
      return result;
    } catch (error) {
      this.#end(turn, { error });
      throw error;
    }
  }

  /** Wait until nothing waits to be sent; return false after `timeoutMs`. */
  flush({ timeoutMs = 10_000 } = {}) {
    return this.#queue.flush(timeoutMs);
  }

  /** Send for two seconds at most, then stop. */
  async close() {
    const isEmpty = await this.#queue.flush(EXIT_MS);
    this.#queue.close();
    return isEmpty;
  }

  /** Number of turns that wait to be sent. */
  get waiting() {
    return this.#queue.waiting;
  }

  /** Number of ended turns that the queue could not keep. */
  get lost() {
    return this.#lost;
  }

  #ask(method, path, text, turnId) {
    return this.#http.ask(method, path, text, {
      budgetMs: this.#options.timeoutMs,
      tries: RECORD_TRIES,
      turnId,
    });
  }

  async #reserved(wanted, onUnavailable = this.#options.onUnavailable) {
    try {
      return await this.reserve(wanted);
    } catch (error) {
      if (!UNHELD.some((kind) => error instanceof kind)) throw error;
      if (onUnavailable !== "raise") return null;
      if (error instanceof LedgerUnavailable) throw error;
      const { code, status, requestId, turnId } = error;
      throw new LedgerUnavailable(error.message, { code, status, requestId, turnId, cause: error });
    }
  }

  /** Keep the end of a turn; no fault of this package replaces the caller's own result. */
  #end(turn, thrown) {
    const { reservation } = turn;
    try {
      const body = turn.body(thrown);
      if (body !== null) this.#queue.add(reservation ? "complete" : "record", body, reservation);
      else if (reservation) this.#queue.add("cancel", null, reservation);
    } catch (fault) {
      this.#lost += 1;
      if (this.#lost > 1) return; // one warning: a full queue loses many
      const reason = fault instanceof TurnledgerError ? fault.message : "a fault of the package";
      process.emitWarning(`Turn ${turn.turnId} is lost: ${reason}`);
    }
  }

  #complete(turn) {
    const { user_id, relationship_id, personality_id, mode, turn_id, occurred_at, ...rest } = turn;
    const people = this.#people({
      userId: user_id,
      relationshipId: relationship_id,
      personalityId: personality_id,
      mode,
    });
    return {
      turn_id: turn_id ?? newTurnId(),
      occurred_at: occurred_at ?? new Date().toISOString(),
      ...people,
      ...rest,
    };
  }

  #people({ userId, relationshipId, personalityId, mode }) {
    const personality = personalityId ?? this.#options.personalityId;
    if (personality === null) {
      throw new ValidationError(
        "personalityId is missing: pass it, or set it for the ledger (TURNLEDGER_PERSONALITY).",
        { code: "validation_error" },
      );
    }
    const isStateful = userId != null && relationshipId != null;
    return {
      mode: mode ?? (isStateful ? "stateful" : "stateless"),
      personality_id: personality,
      ...(userId == null ? {} : { user_id: userId }),
      ...(relationshipId == null ? {} : { relationship_id: relationshipId }),
    };
  }
}

function recorded(answer, turnId) {
  const state = answer.status === 201 ? "created" : "duplicate";
  return { state, turnId, interactionId: turnOf(answer).interaction_id };
}

/** Return the body of a success that names a turn; throw ServerError for any other answer. */
function turnOf(answer) {
  const id = answer.body?.interaction_id;
  if (typeof id === "string" && INTERACTION_ID.test(id)) return answer.body;
  throw foreign(answer, "names no turn");
}

function foreign({ status }, fault) {
  return new ServerError(`The answer ${fault}: is the address that of a ledger?`, { status });
}
