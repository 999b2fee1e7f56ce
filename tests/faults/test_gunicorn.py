"""config/gunicorn.py, as gunicorn itself reads it."""

import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from tests.servers import OPERATOR_TOKEN, ROOT, RunningService, environ_for

CHECK = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "--check-config", "wsgi:app"]
CHECK_TIMEOUT_S = 60
REQUESTS_COUNT = 40


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("PORT", "http", "0 to 65535"),
        ("PORT", "65536", "0 to 65535"),
        ("WEB_CONCURRENCY", "0", "1 to 256"),
        ("WEB_THREADS", "0", "1 to 32"),
        ("WEB_THREADS", "33", "1 to 32"),
        ("WEB_KEEPALIVE_S", "-1", "0 to 3600"),
        ("WEB_KEEPALIVE_S", "", "0 to 3600"),
    ],
)
def test_a_bad_number_is_one_line_that_names_variable_and_remedy(
    name: str, value: str, remedy: str
) -> None:
    environ = environ_for("mongodb://127.0.0.1:1/none", "redis://127.0.0.1:1/0", **{name: value})

    checked = subprocess.run(
        CHECK,
        check=False,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=CHECK_TIMEOUT_S,
    )

    assert checked.returncode == 1
    assert len(checked.stderr.splitlines()) == 1
    assert checked.stderr.startswith(f"{name}={value!r} is refused")
    assert remedy in checked.stderr


def test_any_worker_tells_the_metrics_of_all(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service()
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

    for _ in range(REQUESTS_COUNT):  # each on a connection of its own, so that workers take turns
        assert httpx.get(f"{service.base_url}/v1/billing/plans").status_code == 200
    exposition = httpx.get(f"{service.base_url}/metrics", headers=headers).text

    lines = [line for line in exposition.splitlines() if 'route="/v1/billing/plans"' in line]
    (count,) = [line for line in lines if line.startswith("turnledger_requests_total")]
    assert float(count.split()[-1]) == REQUESTS_COUNT
