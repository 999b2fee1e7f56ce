/** Errors of the client. No message contains a key or a body. */

export class TurnledgerError extends Error {
  /**
   * @param {string} message
   * @param {{code?: string|null, status?: number|null, requestId?: string|null, details?: unknown,
   *   retryAfterS?: number|null, turnId?: string|null, cause?: unknown}} [more]
   */
  constructor(message, more = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = new.target.name;
    this.code = more.code ?? null;
    this.status = more.status ?? null;
    this.requestId = more.requestId ?? null;
    this.details = more.details ?? null;
    this.retryAfterS = more.retryAfterS ?? null;
    this.turnId = more.turnId ?? null;
  }
}

/** An option or a variable is missing or malformed; the message names it and the fix. */
export class ConfigurationError extends TurnledgerError {}

/** The fate of the request is unknown. It is safe to repeat it with the same turn id. */
export class LedgerUnavailable extends TurnledgerError {}
export class NetworkError extends LedgerUnavailable {}
export class LedgerTimeoutError extends LedgerUnavailable {}
export class ServiceUnavailableError extends LedgerUnavailable {}
export class ServerError extends LedgerUnavailable {}
export class CircuitOpenError extends LedgerUnavailable {}

/** The ledger refused the request. */
export class APIError extends TurnledgerError {
  /** The bound or the ceiling that refused it, of a 429. */
  get component() {
    return this.details?.component ?? null;
  }
}

/** The request is malformed; `fields` names each wrong field. */
export class ValidationError extends APIError {
  get fields() {
    return Array.isArray(this.details) ? this.details : [];
  }
}
export class AuthenticationError extends APIError {}
export class PaymentRequiredError extends APIError {}
export class PermissionError extends APIError {}
export class NotFoundError extends APIError {}
export class RateLimitError extends APIError {}

/** The request contradicts what is stored; `reason` says why. */
export class ConflictError extends APIError {
  get reason() {
    return this.details?.reason ?? null;
  }
}
export class TurnAlreadyRecordedError extends ConflictError {}
export class TurnCancelledError extends ConflictError {}
export class ReservationMismatchError extends ConflictError {}

/** The quota is spent or held: do not call the model. */
export class QuotaExhaustedError extends APIError {
  get used() {
    return this.details?.used ?? null;
  }
  get limit() {
    return this.details?.limit ?? null;
  }
  get resetsAt() {
    return this.details?.resets_at ?? null;
  }
}

/** The queue holds as many turns as `maxQueued` allows. */
export class QueueFullError extends TurnledgerError {}

const BY_STATUS = {
  400: ValidationError,
  401: AuthenticationError,
  402: PaymentRequiredError,
  403: PermissionError,
  404: NotFoundError,
  405: NotFoundError,
  408: ServerError,
  413: ValidationError,
  415: ValidationError,
  429: RateLimitError,
  503: ServiceUnavailableError,
};
const BY_REASON = {
  recorded: TurnAlreadyRecordedError,
  cancelled: TurnCancelledError,
  reserved_elsewhere: ReservationMismatchError,
};
const STATUS_OF_CODE = {
  validation_error: 400,
  not_found: 404,
  conflict: 409,
  rate_limit_exceeded: 429,
  quota_exhausted: 429,
  internal_error: 500,
  service_unavailable: 503,
};

/** Return the error of an answer, or of an element of a batch, which has no status. */
export function errorOf(envelope, status, { retryAfterS = null, turnId = null } = {}) {
  const known = status ?? STATUS_OF_CODE[envelope?.code] ?? 500;
  const more = {
    code: envelope?.code,
    status: known,
    requestId: envelope?.request_id,
    details: envelope?.details,
    retryAfterS,
    turnId,
  };
  const message = String(envelope?.message ?? `The ledger answered ${known}.`).slice(0, 300);
  return new (kindOf(envelope, known))(message, more);
}

function kindOf(envelope, status) {
  if (!envelope && ![408, 413, 429, 503].includes(status)) return ServerError;
  if (status === 429 && envelope?.code === "quota_exhausted") return QuotaExhaustedError;
  if (status === 409) return BY_REASON[envelope.details?.reason] ?? ConflictError;
  return BY_STATUS[status] ?? (status >= 400 && status < 500 ? APIError : ServerError);
}
