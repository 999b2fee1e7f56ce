"""Count answers by minute: outcomes, latencies, and the organizations that were refused.

Terms
    The *outcome* of an answer is `admitted`, `rate_limited`, `quota_exhausted`, `client_error`
    (another status of 400 to 499) or `server_error`.
    The *cause* of a refusal is `rate`, or the `component` of the error's details.

Promises

* A request does not count itself: a thread counts its answer within half a second. Each web process
  adds its counts to Redis every 2 seconds, in one pipeline in the background, and once more when it
  ends.
* A minute is kept for 7 days. It names at most `MOST_NAMES` refused organizations of each process;
  refusals of further ones count as of `OTHERS`.
* A day (UTC) has the refusals by organization of its minutes, for 31 days.
* A minute without data is a gap, not 0: no process reported it. Health checks and pages of the
  console count as nothing, but show that a process was there.
* Counts are never too high: no command of a flush is sent twice. Those of a flush that fails are
  lost; those of an open circuit breaker wait, for 10 minutes at most. What is lost is in
  `turnledger_minutes_lost_answers_total`.
"""
