"""Check what addresses of both stores have in common: escapes, options, TLS files, host names.

The text of every ValueError is a fix. It never quotes the address or a password in it.
"""

import re
import socket
import ssl
from collections.abc import Iterable
from urllib.parse import unquote

_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Unescaped, these would end the user name or password that contains them.
_RESERVED = re.compile(r"[/?#@\[\]]")
_UNESCAPED = (
    "has a reserved character in its user name, password or options: "
    "write %2F for /, %3F for ?, %23 for #, %40 for @, %25 for %"
)
_OPTION_NAME = re.compile(r"[A-Za-z_]{1,40}")
UNRESOLVED = "names no host that can be found: check its name, and the DNS of this machine"


def require_escaped(address: str) -> None:
    """Raise ValueError if a character of user name, password or options must be escaped."""
    userinfo, at, _ = address.partition("://")[2].rpartition("@")
    if _PERCENT.search(address) or (at and _RESERVED.search(userinfo)):
        raise ValueError(_UNESCAPED)


def split_query(query: str) -> list[tuple[str, str]]:
    """Return names and values of the options after the `?`."""
    pairs = [pair.partition("=") for pair in re.split("[&;]", query) if pair]
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def option_words(name: str) -> str:
    """Return an option's name for an error text; other characters may be part of a password."""
    return f"its option {name}" if _OPTION_NAME.fullmatch(name) else "an option of it"


def require_authorities(option: str, path: str) -> None:
    """Raise ValueError unless the file that `option` names holds certificates in PEM."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError):
        fix = "set a file of certificates in PEM that can be read"
        raise ValueError(f"{option_words(option)} names a wrong file: {fix}") from None


def require_certificate(option: str, certificate: str, key: str | None, password: str) -> None:
    """Raise ValueError unless certificate and key can be read and belong together."""
    try:
        # With an empty password OpenSSL does not ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password)
    except (OSError, ValueError):
        fix = "set a certificate in PEM that can be read, with its key"
        raise ValueError(f"{option_words(option)} names a wrong file: {fix}") from None


def require_host(names: Iterable[str]) -> None:
    """Raise ValueError unless one of the names, if there are any, has an IP address."""
    found = [_is_found(name) for name in names]
    if found and not any(found):
        raise ValueError(UNRESOLVED)


def _is_found(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False
