"""Every form of `REDIS_URL`, and that a bad one is told without its password."""

import pytest

from config.redis_address import FORMS, Layout, RedisAddress, parse_redis_url

CANARY = "canary4711"


@pytest.mark.parametrize(
    "url",
    [
        *("redis://host:6379/0", "redis://host", "rediss://user:pw@host:6380/2?ssl_cert_reqs=none"),
        *("unix:///run/redis.sock", "unix://user:pw@/run/redis.sock?db=1", "redis://[::1]:6379/0"),
    ],
)
def test_a_single_server_is_left_to_the_driver(url: str) -> None:
    assert parse_redis_url(url) == RedisAddress(Layout.SINGLE)


def test_a_cluster_has_nodes() -> None:
    found = parse_redis_url("redis+cluster://one:7000,two,[::1]:7002")
    assert found.layout is Layout.CLUSTER
    assert found.hosts == (("one", 7000), ("two", 6379), ("::1", 7002))
    assert (found.is_tls, found.username, found.password) == (False, None, None)


def test_a_sentinel_has_a_service_a_database_and_credentials_of_the_servers() -> None:
    found = parse_redis_url("rediss+sentinel://us%40er:p%3Aw@s1:26379,s2/my%20master/3")
    assert found.layout is Layout.SENTINEL
    assert found.hosts == (("s1", 26379), ("s2", 26379))
    assert (found.service, found.db, found.is_tls) == ("my master", 3, True)
    assert (found.username, found.password) == ("us@er", "p:w")


@pytest.mark.parametrize("url", ["redis+sentinel://h/service", "redis+sentinel://h/service/"])
def test_the_database_is_0_unless_it_is_told(url: str) -> None:
    assert (parse_redis_url(url).service, parse_redis_url(url).db) == ("service", 0)


@pytest.mark.parametrize("url", ["redis+cluster://h", "redis+cluster://h/", "redis+cluster://h/0"])
def test_a_cluster_knows_database_0_alone(url: str) -> None:
    assert parse_redis_url(url).db == 0


@pytest.mark.parametrize(
    "url",
    [
        *("", "host:6379", "redis://", "http://host", "redis+ring://host", "redis:/host"),
        *("redis://h:x", "redis://h:70000", "redis://[::1", "redis://:s3cr/et@h:6379/0"),
        *("redis+cluster://", "redis+cluster://h/1", "redis+cluster://h,,i", "unix+cluster://h"),
        *("redis+cluster://h:x", "redis+cluster://h:70000", "redis+cluster://h?db=1"),
        *("redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel:///service"),
        *("redis+sentinel://h/service/x", "redis+sentinel://h/service/1/2"),
    ],
)
def test_what_is_no_address_is_told_by_examples(url: str) -> None:
    with pytest.raises(ValueError, match="must be an address like") as refused:
        parse_redis_url(url)
    assert all(form in str(refused.value) for form in FORMS)


def test_a_password_is_neither_told_nor_shown() -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        parse_redis_url(f"redis+cluster://user:{CANARY}@h/9")
    assert CANARY not in str(refused.value)
    assert CANARY not in repr(parse_redis_url(f"redis+cluster://user:{CANARY}@h"))
    assert CANARY not in repr(parse_redis_url(f"redis://user:{CANARY}@h"))
