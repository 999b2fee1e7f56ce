"""Complete what flask-smorest says of each operation: its id, answers, headers and examples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from app.accounts.schemas import KEY_ID
from app.http.problems import CODES
from app.interactions.ids import INTERACTION_ID
from app.policies import POLICIES, UNMATCHED, Door, Policy
from app.reference.converter import unwrapped
from app.reference.examples import Exchange, error_exchange, exchanges_of
from app.reference.headers import headers_of, shows_quota, shows_rate

Json = dict[str, Any]

_ENVELOPE = {"$ref": "#/components/schemas/ErrorEnvelope"}
_CONFLICT_ENVELOPE = {"$ref": "#/components/schemas/ConflictEnvelope"}
# A malformed `Host` or `Transfer-Encoding` is a 400 on every route.
_EVERYWHERE = {400, 500}
_OF_KEY = {401, 402, 403, 429, 503}
_OF_DOOR: Mapping[Door, set[int]] = {
    Door.PROBE: set(),
    Door.PUBLIC: {429},
    Door.OPERATOR: {401, 429},
    Door.METERED: _OF_KEY,
    Door.PEEKING: _OF_KEY,
    Door.RECORDING: _OF_KEY,
}
_OF_BODY = {408, 413, 415}
_PATH_PARAMETERS: Mapping[str, Json] = {
    "interaction_id": {
        "description": "The id of the turn, as answers show it.",
        "schema": {"type": "string", "pattern": INTERACTION_ID},
    },
    "key_id": {
        "description": "The id of the API key, as lists show it.",
        "schema": {"type": "string", "pattern": KEY_ID},
    },
}


@dataclass(frozen=True, slots=True)
class Operation:
    """The name of an operation for programs, which never changes, and two kinds of answers.

    * `has_conflicts`: it may answer 409.
    * `has_tag`: its 200 has a tag, and 304 answers a client that has sent the same one.
    """

    id: str
    has_conflicts: bool = False
    has_tag: bool = False


OPERATIONS: Mapping[str, Operation] = {
    "health.alive": Operation("get_health"),
    "health.ready": Operation("get_readiness"),
    "metrics.scrape": Operation("get_metrics"),
    "accounts.list_plans": Operation("list_plans"),
    "accounts.me": Operation("get_me"),
    "accounts.subscription": Operation("get_subscription"),
    "accounts.list_api_keys": Operation("list_api_keys"),
    "accounts.create_api_key": Operation("create_api_key", has_conflicts=True),
    "accounts.get_api_key": Operation("get_api_key"),
    "accounts.revoke_api_key": Operation("revoke_api_key"),
    "usage.aggregates": Operation("aggregate_interactions", has_tag=True),
    "usage.turns": Operation("get_turns_usage", has_tag=True),
    "usage.credits_": Operation("get_credits"),
    "usage.limits": Operation("get_limits"),
    "usage.active_relationships": Operation("get_active_relationships", has_tag=True),
    "interactions.list_": Operation("list_interactions", has_tag=True),
    "interactions.get": Operation("get_interaction", has_tag=True),
    "interactions.record": Operation("record_interaction", has_conflicts=True),
    "interactions.record_many": Operation("record_interactions_batch"),
    "otlp.receive": Operation("receive_traces"),
    "turns.reserve": Operation("reserve_turn", has_conflicts=True),
    "turns.complete": Operation("complete_turn", has_conflicts=True),
    "turns.complete_many": Operation("complete_turns_batch"),
    "turns.cancel": Operation("cancel_turn", has_conflicts=True),
}


def complete(spec: Json, endpoint: str, path: str, method: str) -> None:
    """Complete one operation of `spec`; KeyError if its endpoint is not in `OPERATIONS`."""
    operation, policy = OPERATIONS[endpoint], POLICIES[endpoint]
    described: Json = spec["paths"][path][method]
    described["operationId"] = operation.id
    if "description" in described:
        described["description"] = unwrapped(described["description"])
    exchanges = exchanges_of(operation.id)
    for status, response in described["responses"].items():
        if status.isdigit():
            known = headers_of(policy, int(status), has_tag=operation.has_tag)
            response["headers"] = known | response.get("headers", {})
            _name_success(spec, response, int(status))
            _add_example(response, exchanges.get(status), "response")
    _add_example(described.get("requestBody", {}), next(iter(exchanges.values()), None), "request")
    if operation.has_tag:
        described["responses"]["304"] = _not_modified(spec, policy)
    for status in sorted(_error_statuses(operation, policy, path, described)):
        described["responses"].setdefault(str(status), _error(spec, policy, status))


def complete_parameters(item: Json) -> None:
    """Describe the parameters in a path."""
    for parameter in item.get("parameters", []):
        parameter.update(_PATH_PARAMETERS.get(parameter["name"], {}))


def other_error() -> Json:
    """Describe an answer with a status that the operation does not name."""
    return {
        "description": "Another error, such as `method_not_allowed`.",
        "headers": headers_of(UNMATCHED, 405),
        "content": _envelope_like("method_not_allowed"),
    }


def error_examples() -> Json:
    """Return an example of each error code."""
    return {
        code: {"summary": kind.meaning, "value": error_exchange(code)["response"]["body"]}
        for code, kind in CODES.items()
    }


def _error_statuses(
    operation: Operation, policy: Policy, path: str, described: Json
) -> Iterator[int]:
    yield from _EVERYWHERE
    yield from _OF_DOOR[policy.door]
    if "{" in path:
        yield 404
    if operation.has_conflicts:
        yield 409
    if "requestBody" in described:
        yield from _OF_BODY


def _not_modified(spec: Json, policy: Policy) -> Json:
    described = {
        "description": "The answer is still the one whose tag was sent in `If-None-Match`.",
        "headers": headers_of(policy, 304, has_tag=True),
    }
    spec["components"]["responses"].setdefault("NotModified", described)
    return {"$ref": "#/components/responses/NotModified"}


def _name_success(spec: Json, response: Json, status: int) -> None:
    for medium in response.get("content", {}).values():
        name = medium.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name and response["description"] == HTTP_STATUS_CODES[status]:
            response["description"] = spec["components"]["schemas"][name]["description"]


def _add_example(body: Json, exchange: Exchange | None, part: str) -> None:
    medium = body.get("content", {}).get("application/json")
    if medium is not None and exchange is not None and "body" in exchange[part]:
        shown = {"summary": exchange["request"]["line"], "value": exchange[part]["body"]}
        medium["examples"] = {"recorded": shown}


def _error(spec: Json, policy: Policy, status: int) -> Json:
    """Return a reference to the response of an error, which is added to `spec` if it is new."""
    name = HTTP_STATUS_CODES[status].title().replace(" ", "")
    if shows_quota(policy, status):
        name += "WithQuota"
    elif status < 500 and not shows_rate(policy, status):
        name += "WithoutLimits"
    spec["components"]["responses"].setdefault(name, _error_response(policy, status))
    return {"$ref": f"#/components/responses/{name}"}


def _error_response(policy: Policy, status: int) -> Json:
    kinds = {code: kind for code, kind in CODES.items() if kind.status == status}
    return {
        "description": " ".join(f"`{code}`: {kind.meaning}" for code, kind in kinds.items()),
        "headers": headers_of(policy, status),
        "content": _envelope_like(*kinds),
    }


def _envelope_like(*codes: str) -> Json:
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    schema = _CONFLICT_ENVELOPE if codes == ("conflict",) else _ENVELOPE
    return {"application/json": {"schema": schema, "examples": examples}}
