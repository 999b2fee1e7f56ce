"""A header's line leads to its request, by the box Find, by the form and by the command."""

from flask import Flask

from tests.background import flush_background
from tests.callers import error_of, new_caller
from tests.console.operator import log_in


def test_a_line_of_a_ticket_leads_to_its_request(memory_app: Flask) -> None:
    answer = new_caller(memory_app)("GET", "/v1/interactions?limit=0")
    request_id = error_of(answer)["request_id"]
    flush_background(memory_app)
    operator = log_in(memory_app)
    line = f"X-Request-Id:+{request_id.lower()}"

    for path in (f"/console/find?q={line}", f"/console/requests?id={line}"):
        assert operator.get(path).headers["Location"].endswith(f"/requests/{request_id}")
    typed = memory_app.test_cli_runner().invoke(args=["request", line.replace("+", " ")])
    assert (typed.exit_code, request_id in typed.stdout) == (0, True), typed.output
