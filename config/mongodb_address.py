"""Check MongoDB's address with its driver, but without a connection."""

from urllib.parse import unquote_plus

from pymongo import MongoClient
from pymongo.errors import ConfigurationError
from pymongo.uri_parser import parse_uri, split_options

from config.addresses import (
    UNRESOLVED,
    option_words,
    require_authorities,
    require_certificate,
    require_escaped,
    require_host,
    split_query,
)

_SCHEMES = ("mongodb://", "mongodb+srv://")
_FORM = "must be an address like mongodb://user:password@host:27017/database"
_LONGEST_DATABASE_BYTES = 63
_DNS_TIMEOUT_S = 5.0


def require_mongodb_uri(uri: str) -> None:
    """Raise ValueError, whose text quotes no password, unless the driver can use `uri`."""
    if not uri.startswith(_SCHEMES):
        raise ValueError(_FORM)
    require_escaped(uri)
    options = split_query(uri.partition("?")[2])
    for pair in uri.partition("?")[2].replace(";", "&").split("&"):
        if pair:
            _require_option(pair)
    _require_tls_files({name.lower(): value for name, value in options})
    _require_whole(uri)


def require_mongodb_host(uri: str) -> None:
    """Raise ValueError unless DNS knows one of the servers; resolves `mongodb+srv`.

    One host is enough, because a replica set may lack members when the service starts.
    """
    try:
        nodes = parse_uri(uri, validate=False, warn=True, connect_timeout=_DNS_TIMEOUT_S)
    except ConfigurationError:
        raise ValueError(UNRESOLVED) from None
    require_host(host for host, port in nodes["nodelist"] if port is not None)


def _require_option(pair: str) -> None:
    name = pair.partition("=")[0]
    try:
        split_options(pair, validate=True, warn=False)
    except OSError:
        fix = "set one that can be read"
        raise ValueError(f"{option_words(name)} names a file that cannot be read: {fix}") from None
    except Exception:
        # The driver raises errors of many classes, a bare KeyError among them.
        reason = "is unknown to MongoDB's driver, or has a value that it refuses"
        raise ValueError(f"{option_words(name)} {reason}: correct or remove it") from None


def _require_tls_files(options: dict[str, str]) -> None:
    for option in ("tlsCAFile", "tlsCRLFile"):
        if option.lower() in options:
            require_authorities(option, options[option.lower()])
    certificate = options.get("tlscertificatekeyfile")
    if certificate is not None:
        password = options.get("tlscertificatekeyfilepassword", "")
        require_certificate("tlsCertificateKeyFile", certificate, None, password)


def _require_whole(uri: str) -> None:
    """Raise ValueError for parts that are wrong or contradict each other."""
    try:
        # As app/backends/live.py, which reads from the primary even if the address asks otherwise.
        MongoClient[dict[str, object]](uri, connect=False, readPreference="primary").close()
    except Exception:
        raise ValueError(f"{_FORM}: check hosts, port, database and options") from None
    database = unquote_plus(uri.partition("://")[2].partition("?")[0].partition("/")[2])
    if "." in database or len(database.encode()) > _LONGEST_DATABASE_BYTES:
        fix = f"use at most {_LONGEST_DATABASE_BYTES} bytes and no dot"
        raise ValueError(f"names an impossible database: {fix}")
