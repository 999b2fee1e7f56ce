"""Routes without an API key, unknown routes and methods, and failed authentication."""

from scripts.lib.conversation.talk import LIST, TURNS, Talk

ROUTES = (
    "/v1/me",
    "/v1/billing/plans",
    "/v1/api-keys",
    "/v1/api-keys/key_1",
    LIST,
    f"{LIST}/batch",
    f"{LIST}/aggregates",
    f"{LIST}/int_1",
    TURNS,
    f"{TURNS}/completions",
    f"{TURNS}/int_1",
    "/v1/usage/turns",
    "/v1/usage/active-relationships",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/",
    "/docs",
    "/docs/errors",
    "/docs/errors/conflict",
)
UNKNOWN = ("/v1", "/v1/nothing", "/v1/me/", "//v1/me", "/v1%2Fme", "/V1/me", "/v2/me")


def public(talk: Talk) -> None:
    """Use every route without a key, with wrong methods, and with unknown parameters."""
    for path in ("/healthz", "/readyz", "/v1/billing/plans", "/openapi.json", "/docs/errors"):
        talk.say("GET", path)
        talk.say("HEAD", path)
        talk.say("GET", f"{path}?a=1&a=2&b=")
    for path in ROUTES:
        talk.say("PATCH", path)
        talk.say("OPTIONS", path)
    for path in UNKNOWN:
        talk.say("GET", path, "acme/admin")
    talk.say("GET", "/v1/nothing")
    operator = {"Authorization": f"Bearer {talk.keys['operator']}"}
    talk.say("GET", "/metrics")
    talk.say("GET", "/metrics", headers={"Authorization": "Bearer wrong"})
    talk.say("GET", "/metrics", headers=operator)
    talk.say("GET", "/metrics?a=1", headers=operator)
    _odd_http(talk)


def _odd_http(talk: Talk) -> None:
    own = f"Authorization: Bearer {talk.keys['acme/admin']}"
    talk.raw(["GET /v1/me HTTP/1.1", own], key="acme/admin")
    talk.raw(["GET /v1/me HTTP/1.1", "Host: a", "Host: b", own], key="acme/admin")
    talk.raw(["GET /v1/me HTTP/1.1", "Host: a,b", own], key="acme/admin")
    talk.raw(["get /v1/me HTTP/1.1", "Host: a", own], key="acme/admin")
    talk.raw(["GET /v1/me HTTP/1.0", own], key="acme/admin")
    talk.raw(["GET /v1/me HTTP/1.1", "Host: a", own, "X-Request-Id: mine"], key="acme/admin")
    talk.raw(
        ["POST /v1/interactions HTTP/1.1", "Host: a", own, "Content-Length: x"], key="acme/admin"
    )
    talk.raw(
        ["POST /v1/interactions HTTP/1.1", "Host: a", own, "Transfer-Encoding: gzip"],
        key="acme/admin",
    )


def authentication(talk: Talk) -> None:
    """Send every kind of invalid credential, and keys with too small a scope."""
    good = talk.keys["acme/admin"]
    wrong = (
        "",
        "Bearer",
        "Basic abc",
        f"Bearer {good[:-1]}",
        f"Bearer {good[:-1]}~",
        f"bearer {good}",
    )
    for value in (*wrong, f"Bearer  {good}", f"Bearer {good} x", "Bearer " + "x" * 4_000):
        talk.say("GET", "/v1/me", headers={"Authorization": value})
    talk.say("GET", "/v1/me")
    for name in ("gone", "expired", "revoked", "suspended/admin", "damaged/admin"):
        talk.say("GET", "/v1/me", name)
        talk.say("POST", LIST, name, body={})
    for path in ROUTES[:12]:
        talk.say("GET", path, "suspended/admin")
    for name in ("acme/admin", "acme/write", "acme/read", "acme/test", "other/admin"):
        talk.say("GET", "/v1/me", name)
        talk.say("GET", "/v1/me?x=1", name)
    _scopes(talk)


def _scopes(talk: Talk) -> None:
    for name in ("acme/read", "acme/write"):
        talk.say("GET", "/v1/api-keys", name)
        talk.say("POST", "/v1/api-keys", name, body={"scope": "read"})
        talk.say("DELETE", "/v1/api-keys/key_1", name)
    talk.say("POST", LIST, "acme/read", body=talk.turn())
    talk.say("POST", f"{LIST}/batch", "acme/read", body={"interactions": [talk.turn()]})
    talk.say("POST", TURNS, "acme/read", body={})
    talk.say("PUT", f"{TURNS}/int_1", "acme/read", body={})
    talk.say("DELETE", f"{TURNS}/int_1", "acme/read")
