export interface Identity {
  userId?: string;
  relationshipId?: string;
  personalityId?: string;
  mode?: "stateful" | "stateless";
}

export interface Usage {
  llm_provider?: string | null;
  llm_model?: string | null;
  input_tokens?: number | null;
  output_tokens?: number | null;
  turns_consumed?: number;
}

/** A finished turn, by the names of the wire. */
export interface FinishedTurn {
  status: "completed" | "guardrail_blocked" | "failed" | "timed_out";
  latency_ms: number;
  turn_id?: string;
  occurred_at?: string;
  mode?: "stateful" | "stateless";
  user_id?: string | null;
  relationship_id?: string | null;
  personality_id?: string;
  usage?: Usage;
  time_to_first_token_ms?: number | null;
  error_code?: string | null;
  guardrails?: { applied: string[] };
  memory?: Record<string, unknown> | null;
  inferred_emotional_state?: Record<string, unknown> | null;
}

export interface Quota {
  turns_used: number;
  turns_limit: number | null;
  turns_remaining: number | null;
  period_start: string;
  period_end: string;
  overage_policy: string;
  turns_reserved?: number;
}

/** What is left; `quota` is null until something is recorded in the billing period. */
export interface Limits {
  rate_limit: {
    requests_per_second: number;
    burst: number;
    remaining: number;
    resets_at: string;
  };
  quota:
    | (Quota & {
        turns_reserved: number;
        uncharged_turns_used: number;
        uncharged_turns_limit: number;
        active_relationships_used: number;
        active_relationships_limit: number | null;
      })
    | null;
  projected_exhaustion_at: string | null;
}

export interface Reservation {
  turnId: string;
  interactionId: string;
  expiresAt: string;
  quota: Quota | null;
}

export interface Recorded {
  state: "created" | "duplicate";
  turnId: string;
  interactionId: string;
}

export interface BatchResult {
  turnId: string;
  state: "created" | "duplicate" | "refused";
  error: TurnledgerError | null;
}

export interface Refused {
  body: FinishedTurn;
  reason: string;
  error: TurnledgerError;
}

export interface LedgerOptions {
  url?: string;
  key?: string;
  personalityId?: string;
  onUnavailable?: "allow" | "raise";
  reserveTimeoutMs?: number;
  timeoutMs?: number;
  maxQueued?: number;
  onRefused?: (refused: Refused) => void;
  fetch?: typeof fetch;
}

export interface TurnOptions {
  reserve?: boolean;
  holdSeconds?: number;
  turnId?: string;
  onUnavailable?: "allow" | "raise";
}

export interface Turn {
  readonly turnId: string;
  readonly interactionId: string | null;
  readonly quota: Quota | null;
  started(): void;
  firstToken(): void;
  usage(found?: {
    provider?: string | null;
    model?: string | null;
    inputTokens?: number | null;
    outputTokens?: number | null;
  }): void;
  guardrail(...names: string[]): void;
  fail(errorCode: string): void;
  cancel(): void;
}

export declare class Ledger {
  constructor(options?: LedgerOptions);
  record(turn: FinishedTurn): Promise<Recorded>;
  recordMany(
    turns: Iterable<FinishedTurn> | AsyncIterable<FinishedTurn>,
  ): AsyncGenerator<BatchResult>;
  reserve(
    wanted?: Identity & { turnId?: string; holdSeconds?: number },
  ): Promise<Reservation>;
  complete(reservation: Reservation, turn: FinishedTurn): Promise<Recorded>;
  cancel(reservation: Reservation): Promise<void>;
  limits(): Promise<Limits>;
  turn<T>(
    identity: Identity,
    run: (turn: Turn) => T | Promise<T>,
    options?: TurnOptions,
  ): Promise<T>;
  flush(options?: { timeoutMs?: number }): Promise<boolean>;
  close(): Promise<boolean>;
  readonly waiting: number;
  readonly lost: number;
}

export declare function currentTurn(): Turn | undefined;

export declare class TurnledgerError extends Error {
  readonly code: string | null;
  readonly status: number | null;
  readonly requestId: string | null;
  readonly details: unknown;
  readonly retryAfterS: number | null;
  readonly turnId: string | null;
}
export declare class ConfigurationError extends TurnledgerError {}
export declare class LedgerUnavailable extends TurnledgerError {}
export declare class NetworkError extends LedgerUnavailable {}
export declare class LedgerTimeoutError extends LedgerUnavailable {}
export declare class ServiceUnavailableError extends LedgerUnavailable {}
export declare class ServerError extends LedgerUnavailable {}
export declare class CircuitOpenError extends LedgerUnavailable {}
export declare class APIError extends TurnledgerError {
  readonly component: string | null;
}
export interface FieldError {
  field: string;
  code: string;
  message: string;
  allowed?: unknown;
}
export declare class ValidationError extends APIError {
  readonly fields: FieldError[];
}
export declare class AuthenticationError extends APIError {}
export declare class PaymentRequiredError extends APIError {}
export declare class PermissionError extends APIError {}
export declare class NotFoundError extends APIError {}
export declare class RateLimitError extends APIError {}
export declare class ConflictError extends APIError {
  readonly reason: string | null;
}
export declare class TurnAlreadyRecordedError extends ConflictError {}
export declare class TurnCancelledError extends ConflictError {}
export declare class ReservationMismatchError extends ConflictError {}
export declare class QuotaExhaustedError extends APIError {
  readonly used: number | null;
  readonly limit: number | null;
  readonly resetsAt: string | null;
}
export declare class QueueFullError extends TurnledgerError {}
