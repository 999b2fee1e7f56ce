"""Choose the spans of a request that are turns, so that nothing is counted twice."""

from collections.abc import Sequence

from app.otlp.conventions import MODEL, MODEL_CALLS, OPERATION, PARENTS, PROVIDER
from app.otlp.spans import Span


def turns_of(spans: Sequence[Span]) -> list[Span]:
    """Return the spans that are turns, in order.

    | span | it is a turn |
    | --- | --- |
    | a model call: chat, text completion, content, embeddings | always |
    | a span with provider and model, without an operation (earlier releases) | always |
    | an agent or a workflow | if no other turn of this request is below it |
    | any other | never |
    """
    covered = _ancestors(spans) if any(map(_is_parent, spans)) else frozenset()
    return [
        span
        for span in spans
        if _is_model_call(span) or (_is_parent(span) and _key(span) not in covered)
    ]


def _is_parent(span: Span) -> bool:
    return span.attributes.get(OPERATION) in PARENTS


def _is_model_call(span: Span) -> bool:
    operation = span.attributes.get(OPERATION)
    if operation is not None:
        return operation in MODEL_CALLS
    names = span.attributes.keys()
    return not names.isdisjoint(PROVIDER) and not names.isdisjoint(MODEL)


def _ancestors(spans: Sequence[Span]) -> frozenset[tuple[str, str]]:
    """Return the keys of all spans that have a model call, an agent or a workflow below them.

    The innermost agent of a run without model calls is its turn, not each agent around it.
    """
    parent_of = {_key(span): (span.trace_id, span.parent_id) for span in spans}
    found: set[tuple[str, str]] = set()
    for span in spans:
        if not (_is_model_call(span) or _is_parent(span)):
            continue
        key = parent_of[_key(span)]
        # What is found already has its ancestors found too, so cycles end.
        while key not in found and key[1]:
            found.add(key)
            key = parent_of.get(key, ("", ""))
    return frozenset(found)


def _key(span: Span) -> tuple[str, str]:
    return span.trace_id, span.span_id
