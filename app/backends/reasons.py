"""Describe in a few fixed words why a store does not answer.

The words depend on the error's type, code or errno. Drivers' texts contain addresses and data. They
are matched where a driver reports nothing else, and never shown.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from typing import TypeGuard

from pymongo import errors as mongodb_errors
from redis import exceptions as redis_errors
from redis.sentinel import MasterNotFoundError

NO_HOST = "no such host"
NO_ANSWER = "no answer in time"
REFUSED = "connection refused"
WRONG_CREDENTIALS = "wrong or missing user name or password"
NO_RIGHTS = "the user lacks a right"
UNKNOWN_AUTHORITY = "its certificate is of an unknown authority"
OTHER_HOST = "its certificate is for another host"
EXPIRED = "its certificate has expired"
NO_TLS = "no TLS connection: one side does not speak it"
NO_DATABASE = "no database of that number"
UNKNOWN = "no connection"
# MongoDB's Unauthorized and AuthenticationFailed, and Atlas's own code.
_AUTHENTICATION_CODES = frozenset({13, 18, 8_000})
_NO_RIGHTS_CODE = 13
_BY_ERRNO = {
    errno.ECONNREFUSED: REFUSED,
    errno.ENOENT: "no such Unix socket",
    errno.EACCES: "no right to open the Unix socket",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to the host",
    errno.ETIMEDOUT: NO_ANSWER,
    errno.ECONNRESET: "connection lost",
    errno.EPIPE: "connection lost",
}
# OpenSSL's X509_V_ERR_… numbers.
_BY_VERIFY_CODE = {10: EXPIRED, 62: OTHER_HOST, 64: OTHER_HOST}
# Subclasses first.
_BY_CLASS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, NO_HOST),
    (ssl.SSLZeroReturnError, "connection lost"),
    (TimeoutError, NO_ANSWER),
    (ssl.SSLError, NO_TLS),
    (redis_errors.AuthenticationError, WRONG_CREDENTIALS),
    (redis_errors.NoPermissionError, NO_RIGHTS),
    (redis_errors.BusyLoadingError, "it is still loading its data"),
    (redis_errors.OutOfMemoryError, "it is out of memory"),
    (redis_errors.ReadOnlyError, "it is a read-only replica"),
    (redis_errors.ClusterDownError, "its cluster is down"),
    (MasterNotFoundError, "no sentinel answers and knows its master"),
    (redis_errors.TimeoutError, NO_ANSWER),
    (mongodb_errors.NetworkTimeout, NO_ANSWER),
    (mongodb_errors.ExecutionTimeout, NO_ANSWER),
    (mongodb_errors.WTimeoutError, "no majority of its members answers"),
)
_BY_TEXT = (
    (re.compile(r"'code': (18|8000)\b"), WRONG_CREDENTIALS),
    (re.compile(r"'code': 13\b"), NO_RIGHTS),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED.*mismatch"), OTHER_HOST),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED.*has expired"), EXPIRED),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED"), UNKNOWN_AUTHORITY),
    (re.compile(r"SSL handshake failed|\[SSL"), NO_TLS),
    (re.compile(r"replica set name|belongs to a set named"), "its replica set has another name"),
    (re.compile(r"No primary|match selector .?Primary"), "its replica set has no primary"),
    # The DNS query of mongodb+srv.
    (re.compile(r"DNS|resolution lifetime expired"), NO_HOST),
    (re.compile(r"timed out|No servers found yet"), NO_ANSWER),
    (re.compile(r"DB index is out of range|invalid DB index"), NO_DATABASE),
    (re.compile(r"cluster support disabled"), "it is no cluster"),
)
_ERRNO_IN_TEXT = re.compile(r"\[Errno (-?\d+)\]")
_LONGEST_CHAIN = 10


def reason_of(error: BaseException) -> str:
    """Return why a store does not answer, from the innermost cause that is known."""
    found = [reason for each in _chain(error) if (reason := _known_reason(each))]
    return found[-1] if found else UNKNOWN


def is_refusal(error: BaseException) -> TypeGuard[mongodb_errors.OperationFailure]:
    """Return True if MongoDB answers `error` because it does not accept the user."""
    return (
        isinstance(error, mongodb_errors.OperationFailure) and error.code in _AUTHENTICATION_CODES
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__


def _known_reason(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, UNKNOWN_AUTHORITY)
    if is_refusal(error):
        return NO_RIGHTS if error.code == _NO_RIGHTS_CODE else WRONG_CREDENTIALS
    for kind, reason in _BY_CLASS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    return _reason_in_text(str(error))


def _reason_in_text(text: str) -> str | None:
    number = _ERRNO_IN_TEXT.search(text)
    if number is not None:
        # The numbers of getaddrinfo are negative.
        return NO_HOST if int(number[1]) < 0 else _BY_ERRNO.get(int(number[1]))
    return next((reason for pattern, reason in _BY_TEXT if pattern.search(text)), None)
