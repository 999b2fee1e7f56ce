/** Options of a ledger, from arguments and variables of the environment. */

import { ConfigurationError } from "./errors.js";

const URL_PATTERN = /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/;
const KEY_PATTERN = /^uniq_(live|test)_[A-Za-z0-9]{8,}$/;
const MOST_QUEUED = 100_000;
const LONGEST_MS = 2 ** 31 - 1; // of a timer

/** Return complete options; throw ConfigurationError, which names what is wrong. */
export function readOptions(options, env = process.env) {
  const url = options.url ?? env.TURNLEDGER_URL ?? "";
  const key = options.key ?? env.TURNLEDGER_KEY ?? "";
  if (!URL_PATTERN.test(url) || !URL.canParse(url)) {
    throw new ConfigurationError("url is missing or malformed: pass url or set TURNLEDGER_URL.");
  }
  if (!KEY_PATTERN.test(key)) {
    throw new ConfigurationError("key is missing or malformed: pass key or set TURNLEDGER_KEY.");
  }
  const onUnavailable = options.onUnavailable ?? env.TURNLEDGER_ON_UNAVAILABLE ?? "allow";
  if (!["allow", "raise"].includes(onUnavailable)) {
    throw new ConfigurationError(
      'onUnavailable is neither "allow" nor "raise": pass one, or set TURNLEDGER_ON_UNAVAILABLE.',
    );
  }
  return {
    url: url.replace(/\/+$/, ""),
    key,
    personalityId: options.personalityId ?? env.TURNLEDGER_PERSONALITY ?? null,
    onUnavailable,
    reserveTimeoutMs: positive(options, "reserveTimeoutMs", 1_000),
    timeoutMs: positive(options, "timeoutMs", 10_000),
    maxQueued: positive(options, "maxQueued", MOST_QUEUED),
    onRefused: options.onRefused,
  };
}

function positive(options, name, standard) {
  const value = options[name] ?? standard;
  if (typeof value === "number" && value > 0) return Math.min(value, LONGEST_MS);
  throw new ConfigurationError(`${name} is no positive number: pass one, or leave it out.`);
}
