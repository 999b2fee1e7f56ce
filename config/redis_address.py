"""Where Redis is: one server, a cluster, or a master that sentinels know."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote, urlsplit

FORMS = (
    "redis://host:6379/0",
    "redis+cluster://host1:6379,host2:6379",
    "redis+sentinel://host1:26379,host2:26379/service/0",
)
_ADDRESS = re.compile(
    r"(?P<scheme>rediss?|unix)(?:\+(?P<layout>cluster|sentinel))?://"
    r"(?:(?P<credentials>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<path>/[^?#]*)?(?P<query>\?.*)?"
)
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]\s]+))(?::(?P<port>\d{1,5}))?")
_PORTS = {"cluster": 6379, "sentinel": 26379}


class Layout(StrEnum):
    """How the servers stand together."""

    SINGLE = "single"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """What a `REDIS_URL` says; that of a single server is the driver's to read.

    `hosts` are a cluster's nodes or the sentinels; the credentials are those of the data servers.
    """

    layout: Layout
    is_tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    service: str = ""
    db: int = 0


def parse_redis_url(url: str) -> RedisAddress:
    """The address in `url`; ValueError, whose text shows the forms but not the address."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        raise _refusal()
    layout = found["layout"]
    if layout is None:
        if not (found["hosts"] or found["path"]):
            raise _refusal()
        _require_port(url)
        return RedisAddress(Layout.SINGLE)
    if found["scheme"] == "unix" or found["query"]:
        raise _refusal()
    service, db = _target(layout, (found["path"] or "").strip("/"))
    username, password = _credentials(found["credentials"])
    return RedisAddress(
        layout=Layout(layout),
        is_tls=found["scheme"] == "rediss",
        hosts=tuple(_host(text, _PORTS[layout]) for text in found["hosts"].split(",")),
        username=username,
        password=password,
        service=service,
        db=db,
    )


def _require_port(url: str) -> None:
    """What the driver would refuse only later, with words that quote the address."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise _refusal() from None


def _target(layout: str, path: str) -> tuple[str, int]:
    """The service and the database number; a cluster has neither, but for the number 0."""
    service, _, number = path.partition("/") if layout == "sentinel" else ("", "", path)
    number = number or "0"
    is_known = bool(service) == (layout == "sentinel") and number.isascii() and number.isdigit()
    if not is_known or (layout == "cluster" and number != "0"):
        raise _refusal()
    return unquote(service), int(number)


def _credentials(text: str | None) -> tuple[str | None, str | None]:
    username, _, password = (text or "").partition(":")
    return unquote(username) or None, unquote(password) or None


def _host(text: str, default_port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or default_port) > 65_535:
        raise _refusal()
    return found["ipv6"] or found["name"], int(found["port"] or default_port)


def _refusal() -> ValueError:
    return ValueError(f"must be an address like {', '.join(FORMS[:-1])} or {FORMS[-1]}")
