"""Short bodies that would become large ones, and bodies that break off."""

import orjson
import pytest
from prometheus_client import REGISTRY

from app.otlp import counting, json_spans
from app.otlp import protobuf as protobuf_spans
from app.otlp.spans import MOST_ATTRIBUTES, MOST_SPANS, Malformed
from tests.unit.otlp.exports import export, protobuf, span

NONE = frozenset[str]()


def field(number: int, content: bytes) -> bytes:
    length = len(content)
    encoded = bytearray([number << 3 | 2])
    while length > 127:
        encoded.append(length & 127 | 128)
        length >>= 7
    return bytes(encoded) + bytes([length]) + content


@pytest.mark.parametrize("holder", ["spans", "scopes", "resources"])
def test_more_messages_than_any_exporter_sends_are_refused_before_they_are_decoded(
    holder: str,
) -> None:
    empty = b"\x12\x00" * (MOST_SPANS + 1)
    body = {
        "spans": field(1, field(2, empty)),
        "scopes": field(1, empty),
        "resources": b"\x0a\x00" * (MOST_SPANS + 1),
    }[holder]
    with pytest.raises(Malformed, match="more than 50,000 spans"):
        list(protobuf_spans.decode(body, NONE))


@pytest.mark.parametrize("holder", ["a span", "many spans", "a resource"])
def test_more_attributes_than_any_exporter_sends_are_refused_before_they_are_read(
    holder: str,
) -> None:
    half = field(2, b"\x4a\x00" * (MOST_ATTRIBUTES // 2))
    body = {
        "a span": field(1, field(2, field(2, b"\x4a\x00" * (MOST_ATTRIBUTES + 1)))),
        "many spans": field(1, field(2, half + half + field(2, b"\x4a\x00"))),
        "a resource": field(1, field(1, b"\x0a\x00" * (MOST_ATTRIBUTES + 1))),
    }[holder]
    with pytest.raises(Malformed, match="more than 200,000 attributes"):
        list(protobuf_spans.decode(body, NONE))


def test_a_list_that_is_far_too_long_is_dropped_unread() -> None:
    name = "gen_ai.response.finish_reasons"
    (found,) = protobuf_spans.decode(
        protobuf(export(span({name: ["stop"] * 1_001}))), frozenset({name})
    )
    assert (found.attributes, found.dropped) == ({}, (name,))


@pytest.mark.parametrize("bracket", ["{}", "[]"])
def test_brackets_are_counted_before_json_is_decoded(bracket: str) -> None:
    body = f'{{"resourceSpans": [{",".join([bracket] * 2 * MOST_ATTRIBUTES)}]}}'
    with pytest.raises(Malformed, match="more than 200,000 attributes"):
        list(json_spans.decode(body.encode(), NONE))


def test_more_spans_than_any_exporter_sends_are_refused_in_json() -> None:
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{}] * (MOST_SPANS + 1)}]}]}
    with pytest.raises(Malformed, match="more than 50,000 spans"):
        list(json_spans.decode(orjson.dumps(body), NONE))


def test_a_body_that_breaks_off_is_malformed() -> None:
    body = protobuf(export(span()))
    for length in range(1, len(body)):
        with pytest.raises(Malformed):
            list(protobuf_spans.decode(body[:length], NONE))


@pytest.mark.parametrize("body", [b"\x0b", b"\xff" * 12, b"\x09", b"\x0a\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_fields_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        list(protobuf_spans.decode(body, NONE))


def test_names_of_one_request_beyond_the_first_thousand_are_counted_together() -> None:
    def others() -> float:
        name = "turnledger_otlp_dropped_attributes_total"
        return REGISTRY.get_sample_value(name, {"attribute": counting.OTHERS}) or 0.0

    before = others()
    counting.count_dropped([f"no convention {number}" for number in range(5_000)])
    assert others() - before == 5_000
