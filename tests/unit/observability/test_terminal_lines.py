"""Log lines on a terminal are for people; pipes and files get JSON."""

import json
import re
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import structlog

from app.observability import logging
from app.observability.answers import line_writer
from app.observability.terminal_lines import event_line, request_line
from tests.unit.request_log.refusals import refusal

AT = datetime(2026, 11, 30, 14, 31, 52, tzinfo=UTC)
COLOUR = re.compile("\x1b\\[([0-9;]+)m")


class Terminal(StringIO):
    """An output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_request_is_one_short_line() -> None:
    answer = refusal()
    assert COLOUR.sub("", request_line(answer, AT)) == (
        "14:31:52 POST   /v1/interactions 429 1.2 ms rate_limit_exceeded turn_id org_1 "
        f"{answer.request_id}"
    )


@pytest.mark.parametrize(("status", "code"), [(200, "32"), (404, "33"), (503, "31")])
def test_the_status_has_a_colour(status: int, code: str) -> None:
    assert f"\x1b[{code}m{status}\x1b[0m" in request_line(refusal(status=status), AT)


def test_no_color_removes_the_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert COLOUR.search(request_line(refusal(), AT)) is None


def test_a_client_cannot_send_control_characters_to_the_terminal() -> None:
    line = request_line(refusal()._replace(method="\x1b[2JGET"), AT)
    assert "\x1b[2J" not in line
    facts = {"event": "export", "level": "info", "reason": "\x1b[2J\n"}
    assert "\x1b[2J" not in event_line(None, "info", facts)
    assert "\n" not in event_line(None, "info", facts)


def test_an_event_has_its_name_and_its_facts() -> None:
    facts: dict[str, Any] = {"store": "redis", "event": "probe_failed", "level": "warning"}
    line = event_line(None, "warning", facts | {"timestamp": "2026-11-30T14:31:52.1Z"})
    assert COLOUR.sub("", line) == "14:31:52 warning probe_failed store=redis"


@pytest.mark.parametrize("output", [StringIO, Terminal])
def test_the_kind_of_output_decides(
    monkeypatch: pytest.MonkeyPatch, output: type[StringIO]
) -> None:
    stream = output()
    monkeypatch.setattr("sys.stdout", stream)
    logging.configure("info")
    line_writer("info")(refusal())
    structlog.get_logger("turnledger.tests").info("archived", turns=3)
    written = stream.getvalue().splitlines()
    assert len(written) == 2
    if output is Terminal:
        assert "turns=3" in written[1]
        assert "/v1/interactions" in written[0]
    else:
        assert [json.loads(line)["event"] for line in written] == ["request", "archived"]
    monkeypatch.undo()
    logging.configure("info")
