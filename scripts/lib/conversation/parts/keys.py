"""API keys over HTTP."""

from scripts.lib.conversation.talk import LIST, Body, Talk

KEYS = "/v1/api-keys"
ADMIN = "acme/admin"
WRONG_KEYS: tuple[Body, ...] = (
    {},
    {"scope": "owner"},
    {"scope": "read", "expires_in_days": 0},
    {"scope": "read", "expires_in_days": 100_000},
    {"scope": "read", "label": "white space"},
    {"scope": "read", "label": "x" * 200},
    {"scope": "read", "name": "ci"},
    {"scope": ["read"], "expires_in_days": "7"},
)


def keys(talk: Talk) -> dict[str, str]:
    """Make, list and revoke keys; return the token of a revoked one."""
    made = [
        talk.say("POST", KEYS, ADMIN, body={"scope": scope, "label": f"ci-{scope}"}).json()
        for scope in ("read", "read_write", "admin")
    ]
    talk.say("POST", KEYS, ADMIN, body={"scope": "read", "expires_in_days": 30})
    talk.say("POST", KEYS, "acme/test", body={"scope": "read"})
    _idempotency(talk)
    for body in WRONG_KEYS:
        talk.say("POST", KEYS, ADMIN, body=body)
    key_id, token = str(made[0]["id"]), str(made[0]["key"])
    for name in (ADMIN, "acme/test", "other/admin"):
        talk.say("GET", f"{KEYS}/{key_id}", name)
    talk.say("GET", LIST, headers={"Authorization": f"Bearer {token}"})
    _pages(talk)
    for name in ("acme/test", "other/admin", ADMIN, ADMIN):
        talk.say("DELETE", f"{KEYS}/{key_id}", name)
    talk.say("GET", f"{KEYS}/{key_id}", ADMIN)
    talk.say("GET", KEYS, ADMIN)
    for unknown in ("key_01J00000000000000000000000", "x", "%20"):
        talk.say("GET", f"{KEYS}/{unknown}", ADMIN)
        talk.say("DELETE", f"{KEYS}/{unknown}", ADMIN)
    _brief(talk)
    return {"token": token}


def _brief(talk: Talk) -> None:
    """Make keys with a key that expires: none may expire later."""
    for body in ({"scope": "read"}, {"scope": "read", "expires_in_days": 30}):
        talk.say("POST", KEYS, "acme/brief", body=body)
    talk.say("POST", KEYS, "acme/brief", body={"scope": "read", "expires_in_days": 1})


def _idempotency(talk: Talk) -> None:
    wanted = {"scope": "read", "label": "once"}
    for value in ("abc", "abc", "white space", "x" * 300, "\tx", "é"):
        talk.say("POST", KEYS, ADMIN, body=wanted, headers={"Idempotency-Key": value})
    other = {"scope": "admin", "label": "once"}
    talk.say("POST", KEYS, ADMIN, body=other, headers={"Idempotency-Key": "abc"})


def _pages(talk: Talk) -> None:
    cursor = ""
    for _ in range(10):
        page = talk.say("GET", f"{KEYS}?limit=3{cursor}", ADMIN).json()
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    for query in ("limit=0", "limit=5000", "cursor=abc", "limit=1&limit=2", "scope=read"):
        talk.say("GET", f"{KEYS}?{query}", ADMIN)
