"""Every setting of the service, read once from the environment.

A bad or missing variable never stops at the first: `SettingsError` lists them all, each with its
remedy, so that one failed start is enough to mend a deployment.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError
from limits import parse_many
from marshmallow import ValidationError
from marshmallow.validate import URL, And, Length, OneOf, Range, Regexp

from config.redis_address import parse_redis_url

_PLANS_FILE = Path(__file__).resolve().parent / "plans.toml"
# Around a comma; a line's end there is refused with the secret.
_BLANKS = " \t"
_LOG_LEVELS = ("debug", "info", "warning", "error")
# A blank, a quote or a line's end in it comes from a file or a shell that was read otherwise than
# meant: on the next machine it may be missing, and then no key is valid.
_SECRET = And(
    Length(min=32, error="needs at least 32 random characters"),
    Regexp(
        r"[^\s\"'\x00-\x1f\x7f]*\Z", error="has a blank, a quote or a line end in it: remove it"
    ),
)
_MONGODB = Regexp(r"mongodb(\+srv)?://.", error="must be an address like mongodb://host/database")


class OnRedisFailure(StrEnum):
    """What becomes of turns that cannot be charged because Redis is ill."""

    ALLOW = "allow"
    DENY = "deny"


class SettingsError(Exception):
    """The environment does not describe a service that can start."""


class BackendKind(StrEnum):
    """Where the data lives: real servers, or twins inside one process that forget."""

    LIVE = "live"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `create_app` needs to know; numbers carry their unit in their name.

    `key_peppers` and `cursor_secrets` are lists, newest first: the first one signs, all of them
    verify, so either can be rotated with an overlap. `id_key` never rotates, because interaction
    ids are made from it. Secrets and addresses, which may hold passwords, are not shown by `repr`.
    """

    key_peppers: tuple[str, ...] = field(repr=False)
    id_key: str = field(repr=False)
    cursor_secrets: tuple[str, ...] = field(repr=False)
    backend: BackendKind = BackendKind.LIVE
    mongodb_uri: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    operator_token: str = field(default="", repr=False)
    plans_file: Path = _PLANS_FILE
    trusted_proxy_hops: int = 0
    ip_limit: str = "20/2seconds"
    redis_timeout_ms: int = 50
    mongodb_timeout_ms: int = 2_000
    request_deadline_s: int = 10
    quota_on_redis_failure: OnRedisFailure = OnRedisFailure.ALLOW
    web_concurrency: int = 2
    web_threads: int = 8
    key_retention_days: int = 90
    log_level: str = "info"
    documentation_url: str = ""

    @classmethod
    def from_environ(cls) -> "Settings":
        """Read the process's environment; raises `SettingsError` naming every bad variable."""
        env = Env(eager=False)
        values = _read(env)
        try:
            env.seal()
        except EnvValidationError as error:
            raise SettingsError(_explain(error)) from None
        # A variable that is not set leaves the default that stands in the class above.
        settings = cls(**{name: value for name, value in values.items() if value is not None})
        if settings.request_deadline_s * 1_000 <= settings.mongodb_timeout_ms:
            # Reconciling waits one deadline for rows on their way, and is exact only then.
            raise SettingsError("REQUEST_DEADLINE_S must be longer than MONGODB_TIMEOUT_MS.")
        return settings


def _read(env: Env) -> dict[str, Any]:
    backend = env.enum("BACKEND", BackendKind.LIVE, enum=BackendKind, by_value=True)
    address: dict[str, Any] = {"default": None} if backend is BackendKind.MEMORY else {}
    return {
        "backend": backend,
        "mongodb_uri": env.str("MONGODB_URI", validate=_MONGODB, **address),
        "redis_url": env.str("REDIS_URL", validate=_is_redis, **address),
        "key_peppers": _secrets(env, "KEY_PEPPERS"),
        "id_key": env.str("ID_KEY", validate=_SECRET),
        "cursor_secrets": _secrets(env, "CURSOR_SECRETS"),
        "operator_token": env.str("OPERATOR_TOKEN", None, validate=_SECRET),
        "plans_file": env.path("PLANS_FILE", None, validate=_is_file),
        "trusted_proxy_hops": env.int("TRUSTED_PROXY_HOPS", None, validate=Range(0, 10)),
        "ip_limit": env.str("IP_LIMIT", None, validate=_is_rate),
        "redis_timeout_ms": env.int("REDIS_TIMEOUT_MS", None, validate=Range(1, 60_000)),
        "mongodb_timeout_ms": env.int("MONGODB_TIMEOUT_MS", None, validate=Range(500, 60_000)),
        "request_deadline_s": env.int("REQUEST_DEADLINE_S", None, validate=Range(1, 300)),
        "quota_on_redis_failure": env.enum(
            "QUOTA_ON_REDIS_FAILURE", None, enum=OnRedisFailure, by_value=True
        ),
        # How many processes share a rate while Redis is ill; app/serving/web.py reads it too.
        "web_concurrency": env.int("WEB_CONCURRENCY", None, validate=Range(1, 256)),
        # One organization gets a share of them; app/serving/web.py reads it for the servers.
        "web_threads": env.int("WEB_THREADS", None, validate=Range(1, 32)),
        # An idempotency key is valid for a day: no key may be removed before.
        "key_retention_days": env.int("KEY_RETENTION_DAYS", None, validate=Range(1, 3_650)),
        "log_level": env.str("LOG_LEVEL", None, validate=OneOf(_LOG_LEVELS)),
        "documentation_url": env.str("DOCUMENTATION_URL", None, validate=URL(require_tld=False)),
    }


def _secrets(env: Env, name: str) -> tuple[str, ...]:
    items: list[str] | None = env.list(name, validate=_each_secret)
    return tuple(item.strip(_BLANKS) for item in items or ())


def _each_secret(items: list[str]) -> None:
    for item in items or [""]:
        _SECRET(item.strip(_BLANKS))


def _is_file(path: Path) -> None:
    if not path.is_file():
        raise ValidationError("no such file")


def _is_redis(text: str) -> None:
    try:
        parse_redis_url(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _is_rate(text: str) -> None:
    try:
        limits = parse_many(text)
    except ValueError:
        limits = []
    if len(limits) != 1:
        raise ValidationError("say one limit, like 20/2seconds")


def _explain(error: EnvValidationError) -> str:
    """One line a variable; values are left out, since they may be secrets."""
    found = error.error_messages
    problems = found if isinstance(found, dict) else {"environment": found}
    lines = [
        f"  {name}: {' '.join(str(message) for message in messages)}"
        for name, messages in problems.items()
    ]
    return "\n".join(["The environment cannot start Turnledger:", *lines, "See .env.example."])
