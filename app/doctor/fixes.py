"""Name the next step for each reason why a store does not answer."""

from app.backends import reasons

_BY_REASON = {
    reasons.REFUSED: "start the server, or correct host and port in {variable}",
    reasons.NO_HOST: "correct the host name in {variable}, or its DNS entry",
    reasons.NO_ANSWER: "let this machine reach the server (firewall), or raise {timeout}",
    reasons.WRONG_CREDENTIALS: "correct user name and password in {variable}",
    reasons.NO_RIGHTS: "give the user the rights that docs/deploy/stores.md lists",
    reasons.UNKNOWN_AUTHORITY: "name the authority's PEM file as {authority} in {variable}",
    reasons.OTHER_HOST: "write the host name of the certificate in {variable}",
    reasons.EXPIRED: "renew the server's certificate",
    reasons.NO_TLS: "use TLS in {variable} exactly if the server does",
    reasons.NO_DATABASE: "correct the number of the database in {variable}",
}
_OTHERWISE = "check the server and {variable}"
_OF_STORE = {
    "mongodb": {
        "variable": "MONGODB_URI",
        "timeout": "MONGODB_TIMEOUT_MS",
        "authority": "tlsCAFile",
    },
    "redis": {
        "variable": "REDIS_URL",
        "timeout": "REDIS_TIMEOUT_MS",
        "authority": "ssl_ca_certs",
    },
}


def fix_of(store: str, reason: str) -> str:
    """Return the next step for `mongodb` or `redis`."""
    return _BY_REASON.get(reason, _OTHERWISE).format(**_OF_STORE[store])
