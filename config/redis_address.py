"""Parse the address of Redis: one server, a cluster, or a master that sentinels name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from config.addresses import (
    option_words,
    require_authorities,
    require_certificate,
    require_escaped,
    require_host,
    split_query,
)
from config.variables import require_file

FORMS = (
    "redis://host:6379/0",
    "redis+cluster://host1:6379,host2:6379",
    "redis+sentinel://host1:26379,host2:26379/service/0",
)
# The options of TLS, by the driver's names. Time-outs and pools are set by us.
TLS_OPTIONS = (
    *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password"),
    *("ssl_cert_reqs", "ssl_check_hostname"),
)
_CERT_REQS = ("none", "optional", "required")
_BOOLEANS = {"true": True, "false": False}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_ADDRESS = re.compile(
    r"(?P<scheme>rediss?|unix)(?:\+(?P<layout>cluster|sentinel))?://"
    r"(?:(?P<credentials>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:,\[\]\s]+))(?::(?P<port>\d{1,5}))?"
)
_PORTS = {"cluster": 6379, "sentinel": 26379, None: 6379}
_LOCAL = "localhost"


class Layout(StrEnum):
    """The kinds of deployment."""

    SINGLE = "single"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """The parts of a `REDIS_URL`.

    `hosts` are the server, a cluster's nodes or the sentinels, and none for the Unix socket at
    `socket_path`. The credentials are those of the data servers. `tls` are arguments of the driver.
    """

    layout: Layout
    is_tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    service: str = ""
    db: int = 0
    socket_path: str = ""
    tls: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_redis_url(url: str) -> RedisAddress:
    """Return the parts of `url`; the text of a ValueError shows the forms but not the address."""
    if not re.match(r"(rediss?|unix)(\+|:)", url):
        raise _refusal()
    require_escaped(url)
    found = _ADDRESS.fullmatch(url)
    if found is None:
        raise _refusal()
    options = dict(split_query(found["query"] or ""))
    is_tls = found["scheme"] == "rediss"
    username, password = _credentials(found["credentials"])
    service, db, socket_path = _target(found, options.pop("db", ""))
    return RedisAddress(
        layout=Layout(found["layout"] or "single"),
        is_tls=is_tls,
        hosts=() if socket_path else _hosts(found),
        username=username,
        password=password,
        service=service,
        db=db,
        socket_path=socket_path,
        tls=_tls(options, is_tls=is_tls),
    )


def require_redis_host(url: str) -> None:
    """Raise ValueError unless DNS knows one of the hosts."""
    require_host(host for host, _ in parse_redis_url(url).hosts)


def _target(found: re.Match[str], db_option: str) -> tuple[str, int, str]:
    """Return the service, the database's number and the socket's path, each with its default."""
    path, layout = found["path"] or "", found["layout"]
    if found["scheme"] == "unix":
        if layout or found["hosts"] or not path.strip("/"):
            raise _refusal()
        return "", _database(db_option or "0"), unquote(path)
    service, _, number = path.strip("/").partition("/") if layout == "sentinel" else ("", "", path)
    if bool(service) != (layout == "sentinel") or (db_option and number.strip("/")):
        raise _refusal()
    db = _database(db_option or number.removeprefix("/").removesuffix("/") or "0")
    if layout == "cluster" and db:
        raise ValueError("names a database; a cluster has none but 0: remove the number")
    return unquote(service), db, ""


def _database(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("names a database that is not a number: set one like redis://host:6379/0")
    return int(text)


def _tls(options: dict[str, str], *, is_tls: bool) -> dict[str, Any]:
    """Return the driver's arguments for TLS after loading files; ValueError names a bad option."""
    for name in options:
        if name not in TLS_OPTIONS:
            known = ", ".join(("db", *TLS_OPTIONS))
            raise ValueError(
                f"{option_words(name)} is not supported: remove it, or use one of {known}"
            )
        if not is_tls:
            raise ValueError(f"{option_words(name)} needs TLS: write rediss in place of redis")
    _require_choice(options, "ssl_cert_reqs", _CERT_REQS)
    _require_choice(options, "ssl_check_hostname", _BOOLEANS)
    _require_tls_files(options)
    arguments: dict[str, Any] = dict(options)
    if "ssl_check_hostname" in options:
        arguments["ssl_check_hostname"] = _BOOLEANS[options["ssl_check_hostname"]]
    return arguments


def _require_choice(options: Mapping[str, str], name: str, values: Iterable[str]) -> None:
    if name in options and options[name] not in values:
        raise ValueError(f"{option_words(name)} is wrong: set one of {', '.join(values)}")


def _require_tls_files(options: Mapping[str, str]) -> None:
    for name in _FILES:
        if name in options:
            try:
                require_file(options[name])
            except ValueError as error:
                raise ValueError(f"{option_words(name)} is wrong: {error}") from None
    if "ssl_ca_certs" in options:
        require_authorities("ssl_ca_certs", options["ssl_ca_certs"])
    key = options.get("ssl_keyfile")
    if "ssl_certfile" in options:
        password = options.get("ssl_password", "")
        require_certificate("ssl_certfile", options["ssl_certfile"], key, password)
    elif key is not None:
        raise ValueError("its option ssl_keyfile needs the certificate too: set ssl_certfile")


def _credentials(text: str | None) -> tuple[str | None, str | None]:
    username, _, password = (text or "").partition(":")
    return unquote(username) or None, unquote(password) or None


def _hosts(found: re.Match[str]) -> tuple[tuple[str, int], ...]:
    default_port = _PORTS[found["layout"]]
    if found["layout"] is None:
        return (_host(found["hosts"] or _LOCAL, default_port),)
    return tuple(_host(text, default_port) for text in found["hosts"].split(","))


def _host(text: str, default_port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or default_port) > 65_535:
        raise _refusal()
    return found["ipv6"] or found["name"], int(found["port"] or default_port)


def _refusal() -> ValueError:
    return ValueError(f"must be an address like {', '.join(FORMS[:-1])} or {FORMS[-1]}")
