"""A request and its answer, as facts for the log and the metrics."""

from typing import NamedTuple

NO_ROUTE = "unmatched"


class Answer(NamedTuple):
    """A request and its answer: no key, no body, no query and no id from a path.

    `method` is one of HTTP's, or `other`. `client_request_id` is the client's own `X-Request-Id`,
    None unless it is short and clean. `route` is the matched rule, such as
    `/v1/interactions/<interaction_id>`, or `NO_ROUTE`; `endpoint` names its view. `organization`
    and `key_id` are None without a valid key, `decision` is None if admission decided nothing,
    `error_code` is None without an error envelope. `fields` are the wrong ones by
    `app.http.request_errors.field_names`; `component` is what refused, as `details` names it.
    `traceparent` is the client's own, None unless it is valid by W3C Trace Context.
    """

    request_id: str
    client_request_id: str | None
    method: str
    endpoint: str | None
    route: str
    status: int
    error_code: str | None
    fields: tuple[str, ...]
    component: str | None
    retry_after_s: int | None
    duration_ms: float
    organization: str | None
    key_id: str | None
    decision: str | None
    traceparent: str | None

    @property
    def is_of_console(self) -> bool:
        """Return True for a page of the console: what operators look at is no traffic."""
        return (self.endpoint or "").startswith("console.")
