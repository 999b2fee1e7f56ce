"""Every form of `REDIS_URL`; a bad one is reported without its password."""

from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import trustme

from config.redis_address import FORMS, Layout, RedisAddress, parse_redis_url

CANARY = "canary4711"


@pytest.mark.parametrize(
    ("url", "host", "db"),
    [
        ("redis://host:6380/2", ("host", 6380), 2),
        ("redis://host", ("host", 6379), 0),
        ("redis://[::1]:6379/", ("::1", 6379), 0),
        ("redis://host?db=3", ("host", 6379), 3),
        ("redis:///0", ("localhost", 6379), 0),
    ],
)
def test_a_single_server_has_a_host_and_a_database(
    url: str, host: tuple[str, int], db: int
) -> None:
    assert parse_redis_url(url) == RedisAddress(Layout.SINGLE, hosts=(host,), db=db)


def test_a_unix_socket_has_a_path_and_no_host() -> None:
    found = parse_redis_url("unix://user:pw@/run/my%20redis.sock?db=1")
    assert (found.socket_path, found.hosts, found.db) == ("/run/my redis.sock", (), 1)
    assert (found.username, found.password) == ("user", "pw")


def test_a_cluster_has_nodes() -> None:
    found = parse_redis_url("redis+cluster://one:7000,two,[::1]:7002")
    assert found.layout is Layout.CLUSTER
    assert found.hosts == (("one", 7000), ("two", 6379), ("::1", 7002))
    assert (found.is_tls, found.username, found.password) == (False, None, None)


def test_a_sentinel_address_has_a_service_a_database_and_credentials() -> None:
    found = parse_redis_url("rediss+sentinel://us%40er:p%3Aw@s1:26379,s2/my%20master/3")
    assert found.layout is Layout.SENTINEL
    assert found.hosts == (("s1", 26379), ("s2", 26379))
    assert (found.service, found.db, found.is_tls) == ("my master", 3, True)
    assert (found.username, found.password) == ("us@er", "p:w")


@pytest.mark.parametrize("url", ["redis+sentinel://h/service", "redis+sentinel://h/service/"])
def test_the_database_is_0_by_default(url: str) -> None:
    assert (parse_redis_url(url).service, parse_redis_url(url).db) == ("service", 0)


@pytest.mark.parametrize("url", ["redis+cluster://h", "redis+cluster://h/", "redis+cluster://h/0"])
def test_a_cluster_has_database_0_only(url: str) -> None:
    assert parse_redis_url(url).db == 0


@pytest.mark.parametrize(
    ("layout", "target"), [("", "/0"), ("+cluster", ""), ("+sentinel", "/service/0")]
)
def test_tls_options_are_the_same_in_every_layout(tmp_path: Path, layout: str, target: str) -> None:
    issued, path = trustme.CA().issue_cert("127.0.0.1"), tmp_path / "own & only.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    query = urlencode(
        {"ssl_ca_certs": path, "ssl_certfile": path, "ssl_check_hostname": "false"}, quote_via=quote
    )
    found = parse_redis_url(f"rediss{layout}://host{target}?{query}")
    assert found.tls == {
        "ssl_ca_certs": str(path),
        "ssl_certfile": str(path),
        "ssl_check_hostname": False,
    }


@pytest.mark.parametrize(
    "url",
    [
        *("", "host:6379", "redis://h:x", "http://host", "redis+ring://host", "redis:/host"),
        *("redis+cluster://", "redis+sentinel://h", "unix+cluster://h", "redis://a,b"),
    ],
)
def test_an_address_of_an_unknown_form_is_refused_with_examples(url: str) -> None:
    with pytest.raises(ValueError, match="must be an address like") as refused:
        parse_redis_url(url)
    assert all(form in str(refused.value) for form in FORMS)


def test_a_password_is_neither_reported_nor_shown() -> None:
    with pytest.raises(ValueError, match="has none but 0") as refused:
        parse_redis_url(f"redis+cluster://user:{CANARY}@h/9")
    assert CANARY not in str(refused.value)
    assert CANARY not in repr(parse_redis_url(f"redis+cluster://user:{CANARY}@h"))
    assert CANARY not in repr(parse_redis_url(f"redis://user:{CANARY}@h"))
