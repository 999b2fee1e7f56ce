"""OpenTelemetry in, turns out: spans of the GenAI semantic conventions become recorded turns.

    bytes → decoding → Span → trees → mapping → body of a recording → Recorder → answer

Promises
    * A span is one turn, by its trace and span id: a resend is the same turn.
    * Model calls count. An agent or a workflow counts only if the request has no model call, agent
      or workflow below it. Everything else is accepted and ignored.
    * Names and numbers that a turn has are taken. All other attributes, events, links and names of
      spans are dropped, and counted by the name of the attribute, never by its value.

Invariants
    * Only names of `conventions` and of the settings are looked up; no other value is read.
    * A body of more than 50,000 spans is refused before its spans are decoded, and one of more than
      200,000 attributes before they become objects of Python.
    * A value that a turn may not have, such as an id with a space, is dropped and counted.

Failures
    A span that the ledger refuses is rejected in the answer, with the reason: exporters would retry
    anything else for ever. The rate limit and an outage refuse the request, and are retried.
"""
