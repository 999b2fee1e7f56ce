"""config/gunicorn.py, as gunicorn itself reads it."""

import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from flask import Flask

from tests.servers import (
    OPERATOR_TOKEN,
    ROOT,
    RunningService,
    environ_for,
    running_service,
    wait_until,
)

CHECK = ["-m", "gunicorn", "-c", "config/gunicorn.py", "--check-config", "wsgi:app"]
CHECK_TIMEOUT_S = 60
CANNOT_START = 3  # as gunicorn knows it; wsgi.py
REQUESTS_COUNT = 40
# More than a worker has threads.
LINGERING_COUNT = 20
# So little that an answer of some length waits in the server.
SMALL_BYTES = 4_096
CROWD_COUNT = 64
CROWDS_COUNT = 5
POST = "POST /v1/turns HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
SECRET = "uniq_live_0123456789abcdefghijklmnop"


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
        ("DRAIN_S", "11", "0 to 10"),
    ],
)
def test_a_bad_number_is_one_line_that_names_variable_and_remedy(
    name: str, value: str, remedy: str
) -> None:
    checked = run_without_stores(*CHECK, **{name: value})

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


def test_each_metric_is_told_once_however_many_workers_were_asked(
    serve: Callable[..., tuple[RunningService, Flask]],
) -> None:
    service, _ = serve()
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

    for _ in range(REQUESTS_COUNT):  # each on a connection of its own, so that workers take turns
        exposition = httpx.get(f"{service.base_url}/metrics", headers=headers).text

    families = [line.split()[2] for line in exposition.splitlines() if line.startswith("# TYPE ")]
    assert "turnledger_archive_lag_seconds" in families
    assert len(families) == len(set(families))
    assert 'pid="' not in exposition


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {SECRET}\r\n\r\n",
        f"GET /v1/me HTTP/1.1\r\nHost: a\r\n{SECRET} : x\r\n\r\n",
        f"GET /v1/me HTTP/1.1\r\nHost: a\r\nA: b\r\n {SECRET}\r\n\r\n",
        f"GET /v1/me {SECRET}\r\nHost: a\r\n\r\n",
        f"{SECRET}\r\n\r\n",
    ],
)
def test_a_key_in_a_request_that_cannot_be_read_is_not_logged(
    start_service: Callable[..., RunningService], request_text: str
) -> None:
    service = start_service(workers_count=1)

    assert send(service, request_text).startswith("HTTP/1.1 400 ")

    log = service.log.read_text()
    assert "Invalid request from ip=127.0.0.1" in log
    assert SECRET not in log


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "SCRIPT-NAME"])
def test_nobody_sets_the_variables_of_the_server_by_a_header(
    start_service: Callable[..., RunningService], name: str
) -> None:
    service = start_service(workers_count=1)
    request_text = (
        f"GET /v1/billing/plans HTTP/1.1\r\nHost: a\r\n{name}: /x\r\nConnection: close\r\n\r\n"
    )
    assert send(service, request_text).startswith("HTTP/1.1 200 ")


def test_no_folder_is_made_before_the_port_is_ours() -> None:
    told = begin_start()
    assert (told.returncode, told.stdout) == (0, "None\n")


def test_a_folder_that_cannot_be_made_is_one_line_that_names_variable_and_remedy(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "folder")
    told = begin_start(PROMETHEUS_MULTIPROC_DIR=folder)
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1
    assert told.stderr.startswith(f"PROMETHEUS_MULTIPROC_DIR={folder!r} is refused")
    assert "set a folder" in told.stderr


def test_a_bad_plans_file_names_setting_and_line_and_ends_the_start(tmp_path: Path) -> None:
    plans = tmp_path / "plans.toml"
    plans.write_text("[free]\nname = \n")
    told = run_without_stores("-c", "import wsgi", PLANS_FILE=str(plans))
    assert told.returncode == CANNOT_START
    setting, fault = told.stderr.splitlines()
    assert setting == "PLANS_FILE is refused:"
    assert fault.startswith(f"{plans}: not TOML")
    assert "line 2" in fault


def begin_start(**changes: str) -> subprocess.CompletedProcess[str]:
    """What gunicorn's master does before it listens; prints the folder of counters that it has."""
    code = (
        "import os; from config import gunicorn; gunicorn.on_starting(None);"
        "print(os.environ.get('PROMETHEUS_MULTIPROC_DIR'))"
    )
    return run_without_stores("-c", code, **changes)


def run_without_stores(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end, in an environment whose stores are not there."""
    return subprocess.run(
        [sys.executable, *words],
        check=False,
        cwd=ROOT,
        env=environ_for("mongodb://127.0.0.1:1/none", "redis://127.0.0.1:1/0", **changes),
        capture_output=True,
        text=True,
        timeout=CHECK_TIMEOUT_S,
    )


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        f"{POST}Content-Length: 9\r\n\r\n{{",
        f"{POST}Transfer-Encoding: chunked\r\n\r\n9\r\n{{",
        "GET / HTTP/1.1\r\nno header\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\n\r\n",
    ],
)
def test_nobody_waits_for_who_says_that_he_hangs_up_and_does_not(
    start_service: Callable[..., RunningService], request_text: str
) -> None:
    service = start_service(workers_count=1)
    with ExitStack() as stack:
        for _ in range(LINGERING_COUNT):
            connection = stack.enter_context(connected(service))
            connection.sendall(request_text.encode())
            assert connection.recv(65_536).startswith(b"HTTP/1.1 ")
        began_s = time.monotonic()
        assert httpx.get(f"{service.base_url}/healthz").status_code == 200
        # gunicorn waits two seconds for each of them, one after the other.
        assert time.monotonic() - began_s < 1


def test_nobody_waits_for_who_never_sends_the_rest_of_a_refused_body(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(workers_count=1)
    with ExitStack() as stack:
        for _ in range(LINGERING_COUNT):
            connection = stack.enter_context(connected(service))
            connection.sendall(b"POST /v1/turns HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        began_s = time.monotonic()
        while connection.recv(65_536):
            pass
        assert httpx.get(f"{service.base_url}/healthz").status_code == 200
        # gunicorn waits five seconds in a thread for each of them, and then two more.
        assert time.monotonic() - began_s < 3


def test_who_reads_slowly_and_sends_meanwhile_loses_nothing_of_an_answer(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(workers_count=1, WEB_KEEPALIVE_S="0")
    whole = httpx.get(f"{service.base_url}/openapi.json").content
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        connection.settimeout(10)
        address = urlsplit(service.base_url)
        connection.connect((address.hostname, address.port))
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: %s\r\n\r\n" % address.netloc.encode()
        connection.sendall(asked)
        connection.recv(1, socket.MSG_PEEK)
        connection.sendall(asked)
        told = b"".join(iter(lambda: connection.recv(SMALL_BYTES), b""))
    assert told.endswith(whole)


# A worker may have to wait for its turn on a busy machine; the long form runs alone.
@pytest.mark.parametrize("judged", [statistics.median, pytest.param(min, marks=pytest.mark.long)])
def test_connections_that_a_client_opens_at_once_are_shared_by_the_workers(
    tmp_path: Path, judged: Callable[[list[int]], float]
) -> None:
    environ = environ_for("mongodb://127.0.0.1:1/none", "redis://127.0.0.1:1/0")
    log = tmp_path / "gunicorn.log"
    with running_service(environ, log, application="tests.faults.kit.who:app") as service:
        started: set[str] = set()

        def have_both_started() -> bool:
            started.add(httpx.get(service.base_url).text)
            return len(started) == 2

        wait_until(have_both_started)
        shares = [min(crowd(service)[one] for one in started) for _ in range(CROWDS_COUNT)]
    assert judged(shares) >= CROWD_COUNT // 4, shares


def test_who_is_connected_and_silent_holds_no_thread(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(workers_count=1)
    with ExitStack() as stack:
        for _ in range(CROWD_COUNT):
            stack.enter_context(connected(service))
        began_s = time.monotonic()
        assert httpx.get(f"{service.base_url}/healthz").status_code == 200
        # gunicorn's own worker waits for five seconds for each of them, eight at a time.
        assert time.monotonic() - began_s < 4


def test_who_takes_a_moment_to_speak_is_heard_although_no_connection_is_kept(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(workers_count=1, WEB_KEEPALIVE_S="0")
    with connected(service) as early, connected(service) as silent:
        # The silent one was connected before this answer, so the worker's loop has seen it.
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer(early).startswith("HTTP/1.1 200 ")
        silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer(silent).startswith("HTTP/1.1 200 ")


def test_who_is_refused_while_it_sends_reads_the_answer(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(workers_count=1)
    unread = "x" * 60_000
    request_text = f"{POST}Content-Length: {len(unread)}\r\n\r\n{unread}"
    assert send(service, request_text).startswith("HTTP/1.1 401 ")


def test_a_start_deletes_counters_of_an_earlier_run_and_nothing_else(
    start_service: Callable[..., RunningService], tmp_path: Path
) -> None:
    stale = {"counter_1.db", "histogram_1.db", "summary_1.db", "gauge_liveall_1.db"}
    foreign = {"customers.db", "counter.txt"}
    folder = tmp_path / "shared"
    folder.mkdir()
    for name in stale | foreign:
        (folder / name).touch()

    start_service(PROMETHEUS_MULTIPROC_DIR=str(folder))

    left = {path.name for path in folder.iterdir()}
    assert left & (stale | foreign) == foreign


def send(service: RunningService, request_text: str) -> str:
    """The answer to bytes that no HTTP library would send."""
    with connected(service) as connection:
        connection.sendall(request_text.encode())
        return answer(connection)


def answer(connection: socket.socket) -> str:
    """What comes until the service hangs up."""
    return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


def crowd(service: RunningService) -> Counter[str]:
    """Which worker answers on how many of the connections that are opened at once."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(service)) for _ in range(CROWD_COUNT)]
        for connection in connections:
            connection.sendall(f"{POST}Content-Length: 1\r\n\r\nx".encode())
        return Counter(answer(connection).split()[-1] for connection in connections)


def connected(service: RunningService) -> socket.socket:
    """A connection, to say what no HTTP library would."""
    address = urlsplit(service.base_url)
    return socket.create_connection((address.hostname, address.port), timeout=10)
