/** How a turn ends: the table of ends, and the label of an error. No message of an error is read. */

const TIMEOUT = /Time(d)?[oO]ut|DeadlineExceeded/;
const TIMEOUT_CODE = /^E?(SOCKET)?TIMEDOUT$|_TIMEOUT$/;
const LEAVING = /AbortError$/; // APIUserAbortError, too: openai and anthropic throw it
const MOST_CAUSES = 10;
const MOST_LETTERS = 32;

/**
 * Return `{status, errorCode}` of a turn; null if nothing is recorded.
 *
 * | how the block ends | status | error code |
 * | --- | --- | --- |
 * | the program cancelled it; an exception before the start | none | |
 * | the program said that it failed | `failed` | as it said |
 * | a time-out after the start | `timed_out` | class of the error |
 * | the reader left after the first token | `completed` | `stream_closed` |
 * | the reader left before it | `failed` | `cancelled` |
 * | another exception after the start | `failed` | class of the error |
 * | otherwise | `completed` | |
 *
 * `thrown` is `{error}`, because programs also throw undefined; null without an exception.
 */
export function endOf({ thrown, failedCode, isCancelled, hasStarted, hasToken }) {
  if (isCancelled) return null;
  if (failedCode !== null) return { status: "failed", errorCode: failedCode };
  if (thrown === null) return { status: "completed", errorCode: null };
  if (!hasStarted) return null;
  try {
    return endOfError(thrown.error, hasToken);
  } catch {
    return { status: "failed", errorCode: "error" }; // an error that throws while it is read
  }
}

function endOfError(error, hasToken) {
  if (isTimeout(error)) return { status: "timed_out", errorCode: errorCodeOf(error) };
  if (namesOf(error).some((name) => LEAVING.test(name))) {
    return hasToken
      ? { status: "completed", errorCode: "stream_closed" }
      : { status: "failed", errorCode: "cancelled" };
  }
  return { status: "failed", errorCode: errorCodeOf(error) };
}

/** Return the class of an error in snake case, as a label that the ledger takes. */
export function errorCodeOf(error) {
  const names = namesOf(error);
  // The errors of the platform share one class: their names differ.
  const name = (error instanceof DOMException ? names.at(-1) : names[0]) ?? "error";
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .toLowerCase();
  const label = words.replace(/[^a-z0-9_]/g, "_").replace(/^[_0-9]+/, "");
  return label.slice(0, MOST_LETTERS) || "error";
}

function isTimeout(error) {
  let seen = error;
  for (let depth = 0; seen && depth < MOST_CAUSES; depth += 1) {
    if (namesOf(seen).some((name) => TIMEOUT.test(name))) return true;
    if (typeof seen.code === "string" && TIMEOUT_CODE.test(seen.code)) return true;
    seen = seen.cause;
  }
  return false;
}

/** Return the class's name, then the error's own; programs may set either to anything. */
function namesOf(error) {
  return [error?.constructor?.name, error?.name].filter((name) => typeof name === "string");
}
