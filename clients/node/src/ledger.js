/** The client of a ledger. Bodies keep the wire's names; options are camelCase. */

import { setTimeout as sleepMs } from "node:timers/promises";

import {
  ConfigurationError,
  LedgerUnavailable,
  RateLimitError,
  ServerError,
  TurnledgerError,
  ValidationError,
  errorOf,
} from "./errors.js";
import { Http } from "./http.js";
import { Queue, isStored, resultsOf } from "./queue.js";
import { Turn, newTurnId, runIn } from "./turn.js";

const RECORD_TRIES = 4;
const READ_TRIES = 3;
const RESERVE_TRIES = 2;
const MOST_TURNS = 500;
const EXIT_MS = 2_000;
const URL_PATTERN = /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/;
const INTERACTION_ID = /^[A-Za-z0-9_]{1,64}$/;
const KEY_PATTERN = /^uniq_(live|test)_[A-Za-z0-9]{8,}$/;

export class Ledger {
  #http;
  #queue;
  #options;

  constructor(options = {}) {
    const env = process.env;
    const url = options.url ?? env.TURNLEDGER_URL ?? "";
    const key = options.key ?? env.TURNLEDGER_KEY ?? "";
    if (!URL_PATTERN.test(url)) {
      throw new ConfigurationError("url is missing or malformed: pass url or set TURNLEDGER_URL.");
    }
    if (!KEY_PATTERN.test(key)) {
      throw new ConfigurationError("key is missing or malformed: pass key or set TURNLEDGER_KEY.");
    }
    this.#options = {
      personalityId: options.personalityId ?? env.TURNLEDGER_PERSONALITY ?? null,
      onUnavailable: options.onUnavailable ?? env.TURNLEDGER_ON_UNAVAILABLE ?? "allow",
      reserveTimeoutMs: options.reserveTimeoutMs ?? 1_000,
      timeoutMs: options.timeoutMs ?? 10_000,
    };
    this.#http = new Http({
      url: url.replace(/\/+$/, ""),
      key,
      fetch: options.fetch ?? fetch,
      sleep: options.sleep ?? sleepMs,
    });
    const { maxQueued = 100_000, onRefused } = options;
    this.#queue = new Queue(this.#http, { maxQueued, onRefused });
  }

  /** Record a finished turn. Returns `{state, turnId, interactionId}`. */
  async record(turn) {
    const body = this.#complete(turn);
    const answer = await this.#ask("POST", "/v1/interactions", body, body.turn_id);
    return recorded(answer, body.turn_id);
  }

  /** Record turns in batches of up to 500; yields `{turnId, state, error}` in order. */
  async *recordMany(turns) {
    let batch = [];
    for await (const turn of turns) {
      batch.push(this.#complete(turn));
      if (batch.length === MOST_TURNS) {
        yield* await this.#recordBatch(batch);
        batch = [];
      }
    }
    if (batch.length) yield* await this.#recordBatch(batch);
  }

  /** Hold a turn. Returns `{turnId, interactionId, expiresAt, quota}`. */
  async reserve({ turnId = newTurnId(), holdSeconds, ...identity } = {}) {
    const body = {
      turn_id: turnId,
      ...this.#people(identity),
      ...(holdSeconds === undefined ? {} : { hold_seconds: holdSeconds }),
    };
    const answer = await this.#http.ask("POST", "/v1/turns", JSON.stringify(body), {
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
    return recorded(await this.#ask("PUT", path, body, body.turn_id), body.turn_id);
  }

  /** Give a reservation back, unbilled. */
  async cancel(reservation) {
    const path = `/v1/turns/${reservation.interactionId}`;
    await this.#ask("DELETE", path, undefined, reservation.turnId);
  }

  /** Return what is left of the quota and of the rate limit. */
  async limits() {
    const { timeoutMs } = this.#options;
    const answer = await this.#http.ask("GET", "/v1/usage/turns?group_by=month", undefined, {
      budgetMs: timeoutMs,
      tries: READ_TRIES,
    });
    const number = (name) => {
      const text = answer.headers.get(`x-ratelimit-${name}`);
      return text === null ? null : Number(text);
    };
    return {
      ...answer.body.quota,
      requests_per_second: number("limit"),
      requests_remaining: number("remaining"),
    };
  }

  /**
   * Run a turn: reserve it, run `run(turn)`, and record it at its end. Returns what `run` returns.
   * Throws QuotaExhaustedError before `run` is called.
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
      this.#end(turn, undefined);
      return result;
    } catch (error) {
      this.#end(turn, error);
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

  get waiting() {
    return this.#queue.waiting;
  }

  #ask(method, path, body, turnId) {
    return this.#http.ask(method, path, body === undefined ? undefined : JSON.stringify(body), {
      budgetMs: this.#options.timeoutMs,
      tries: RECORD_TRIES,
      turnId,
    });
  }

  async #reserved(wanted, onUnavailable = this.#options.onUnavailable) {
    try {
      return await this.reserve(wanted);
    } catch (error) {
      const isUnknown = error instanceof LedgerUnavailable || error instanceof RateLimitError;
      if (!isUnknown || onUnavailable === "raise") throw error;
      return null;
    }
  }

  /** Keep the end of a turn; no fault of this package replaces the caller's own result. */
  #end(turn, error) {
    try {
      const body = turn.body(error);
      if (body !== null) {
        this.#queue.add(turn.reservation ? "complete" : "record", body, turn.interactionId);
      } else if (turn.reservation) this.#queue.add("cancel", null, turn.interactionId);
    } catch (fault) {
      const reason = fault instanceof TurnledgerError ? fault.message : fault?.constructor?.name;
      process.emitWarning(`Turn ${turn.turnId} is lost: ${reason}`);
    }
  }

  async #recordBatch(bodies) {
    const ids = bodies.map((body) => body.turn_id);
    try {
      const sent = { interactions: bodies };
      const answer = await this.#ask("POST", "/v1/interactions/batch", sent, null);
      return resultsOf(answer, bodies.length).map((result, index) =>
        isStored(result)
          ? { turnId: ids[index], state: result.status, error: null }
          : { turnId: ids[index], state: "refused", error: errorOf(result?.error, null) },
      );
    } catch (error) {
      if (!(error instanceof TurnledgerError)) throw error;
      return ids.map((turnId) => ({ turnId, state: "refused", error }));
    }
  }

  #complete(turn) {
    const { user_id, relationship_id, personality_id, mode, ...rest } = turn;
    const people = this.#people({
      userId: user_id,
      relationshipId: relationship_id,
      personalityId: personality_id,
      mode,
    });
    return { turn_id: newTurnId(), occurred_at: new Date().toISOString(), ...people, ...rest };
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
function turnOf({ body, status }) {
  const id = body?.interaction_id;
  if (typeof id === "string" && INTERACTION_ID.test(id)) return body;
  throw new ServerError("The answer names no turn: is the address that of a ledger?", { status });
}
