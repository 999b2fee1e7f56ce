"""The bucket that a request without a key is charged to: spoofed addresses change nothing."""

from collections.abc import Mapping

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.backends.backend import Backend
from app.schema import ensure_schema
from tests.callers import new_caller
from tests.servers import settings_for

PEER = "192.0.2.1"
PLANS = "/v1/billing/plans"


class Ask:
    """Sends requests through trusted proxies; an address may send three in a minute."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def __call__(
        self,
        forwarded: str | None = None,
        path: str = PLANS,
        peer: str = PEER,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        sent = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return self.app.test_client().open(
            method=method,
            headers=sent | dict(headers or {}),
            environ_base={"REMOTE_ADDR": peer},
            environ_overrides={"PATH_INFO": path},
        )


def asking(backend: Backend, hops: int) -> Ask:
    settings = settings_for(trusted_proxy_hops=hops, ip_limit="3 per 60 seconds")
    app: Flask = create_app(settings, backend)
    with app.app_context():
        ensure_schema()
    return Ask(app)


def buckets(backend: Backend) -> set[str]:
    return set(backend.redis.scan_iter("bucket:{ip:*"))


SPOOFED = [
    "6.6.6.6",
    "6.6.6.6, 7.7.7.7",
    "127.0.0.1",
    "::1",
    "",
    "garbage",
    "6.6.6.6\t",
    "[2001:db8::1]:443",
    "6.6.6.6:80",
    "' or 1=1",
    "a" * 4_000,
    ",,,,",
]


@pytest.mark.parametrize("forwarded", SPOOFED)
def test_without_trusted_proxies_the_peer_is_charged_for_any_header(
    backend: Backend, forwarded: str
) -> None:
    ask = asking(backend, hops=0)

    statuses = [ask(forwarded).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert buckets(backend) == {f"bucket:{{ip:{PEER}}}"}
    assert ask(peer="192.0.2.2").status_code == 200


@pytest.mark.parametrize(
    ("forwarded", "charged"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("6.6.6.6,203.0.113.7", "203.0.113.7"),
        ("garbage, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, garbage", PEER),
        ("[2001:db8:1:2::9]:443", PEER),
        ("203.0.113.7:80", PEER),
        ("", PEER),
        (None, PEER),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", None),
    ],
)
def test_behind_one_proxy_the_address_that_it_added_is_charged(
    backend: Backend, forwarded: str | None, charged: str | None
) -> None:
    ask = asking(backend, hops=1)

    statuses = [ask(forwarded).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    (bucket,) = buckets(backend)
    assert charged is None or bucket == f"bucket:{{ip:{charged}}}"


@pytest.mark.parametrize(
    ("forwarded", "charged"),
    [
        ("6.6.6.6, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("6.6.6.6, 7.7.7.7, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("203.0.113.7, garbage", "203.0.113.7"),
        ("2001:db8:1:2::9, 10.0.0.1", "2001:db8:1:2::/64"),
        # A request that bypasses the outer proxy has no second address.
        ("203.0.113.7", PEER),
        ("6.6.6.6, garbage, 10.0.0.1", PEER),
        ("", PEER),
        (None, PEER),
    ],
)
def test_behind_two_proxies_the_second_address_from_the_right_is_charged(
    backend: Backend, forwarded: str | None, charged: str
) -> None:
    ask = asking(backend, hops=2)

    statuses = [ask(forwarded).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert buckets(backend) == {f"bucket:{{ip:{charged}}}"}


@pytest.mark.parametrize(("hops", "charged"), [(0, PEER), (1, "10.0.0.1"), (2, "203.0.113.7")])
def test_repeated_headers_are_joined_and_other_headers_ignored(
    memory_backend: Backend, hops: int, charged: str
) -> None:
    settings = settings_for(trusted_proxy_hops=hops, ip_limit="3 per 60 seconds")
    forwarded = ["6.6.6.6", "203.0.113.7, 10.0.0.1"]
    others = ("X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP")
    headers = [("X-Forwarded-For", line) for line in forwarded]
    headers += [(name, "for=7.7.7.7" if name == "Forwarded" else "7.7.7.7") for name in others]

    create_app(settings, memory_backend).test_client().get(
        PLANS, headers=headers, environ_base={"REMOTE_ADDR": PEER}
    )

    assert buckets(memory_backend) == {f"bucket:{{ip:{charged}}}"}


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_a_peer_without_an_address_has_a_bucket_too(memory_backend: Backend, hops: int) -> None:
    ask = asking(memory_backend, hops)

    statuses = [ask(peer="").status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]


def test_addresses_of_one_64_bit_network_share_a_bucket(backend: Backend) -> None:
    ask = asking(backend, hops=1)

    statuses = [ask(f"2001:db8:1:2::{number}").status_code for number in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert ask("2001:db8:1:3::1").status_code == 200


@pytest.mark.parametrize("path", ["/v1/me", "/v1/interactions", "/metrics"])
def test_failed_authentication_is_charged_to_the_address(backend: Backend, path: str) -> None:
    ask = asking(backend, hops=0)

    answers = [ask(path=path) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert int(answers[-1].headers["Retry-After"]) in range(1, 21)
    assert answers[-1].get_json()["error"]["code"] == "rate_limit_exceeded"
    assert "X-Quota-Reset" not in answers[-1].headers
    assert ask(path=PLANS).status_code == 429


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_not_limited(backend: Backend, path: str) -> None:
    ask = asking(backend, hops=0)

    statuses = {ask(path=path).status_code for _ in range(8)}

    assert statuses == {200}
    assert buckets(backend) == set()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/v1/nothing", 404),
        ("GET", "//v1/me", 404),
        ("DELETE", "/v1/me", 405),
        ("GET", "/v1/interactions/batch", 405),
        ("GET", "/v1/turns/completions", 405),
        ("POST", "/healthz", 405),
    ],
)
@pytest.mark.parametrize("is_customer", [False, True])
def test_unknown_routes_and_methods_are_charged_to_the_address_and_read_no_key(
    backend: Backend, method: str, path: str, status: int, *, is_customer: bool
) -> None:
    ask = asking(backend, hops=0)
    headers = new_caller(ask.app).headers if is_customer else {}

    answers = [ask(path=path, method=method, headers=headers) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [status, status, status, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert int(answers[-1].headers["Retry-After"]) in range(1, 21)
    assert "X-Quota-Reset" not in answers[-1].headers
    assert buckets(backend) == {f"bucket:{{ip:{PEER}}}"}


def test_a_request_without_a_valid_host_is_charged_to_the_address(backend: Backend) -> None:
    ask = asking(backend, hops=0)

    answers = [ask(headers={"Host": "one,two"}) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]


def test_a_valid_key_is_admitted_although_the_bucket_of_its_address_is_empty(
    backend: Backend,
) -> None:
    ask = asking(backend, hops=0)
    headers = new_caller(ask.app).headers
    while ask(path="/nothing").status_code != 429:
        pass

    assert ask(path="/v1/me").status_code == 429
    assert ask(path="/v1/me", headers=headers).status_code == 200
    assert ask(path="/v1/interactions", headers=headers).status_code == 200
