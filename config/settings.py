"""Read the settings of the application from the environment, in each process that makes it.

`SettingsError` lists every bad or missing variable with its fix, so that one failed start is mostly
enough to correct a deployment. Alone are reported:

* a `REQUEST_DEADLINE_S` that is too short for `MONGODB_TIMEOUT_MS`;
* hosts that DNS does not know (`require_hosts`);
* a refused `PLANS_FILE` or `IP_LIMIT`, by the services that use them;
* `HOST`, `PORT`, `DRAIN_S` and `WEB_…`, which `app.serving.web` reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from limits import parse_many

from config.attributes import parse_attributes, require_personality
from config.mongodb_address import require_mongodb_host, require_mongodb_uri
from config.origins import parse_origins
from config.redis_address import parse_redis_url, require_redis_host
from config.variables import Variables

_PLANS_FILE = Path(__file__).resolve().parent / "plans.toml"
_ADDRESSES = ("MONGODB_URI", "REDIS_URL")
_SECRETS = ("KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS")
_LOG_LEVELS = ("debug", "info", "warning", "error")
# app/serving/web.py reads both variables too.
WEB_CONCURRENCY_BOUNDS = (1, 256)
# MongoDB's pool has as many connections as the upper bound: app/backends/live.py.
WEB_THREADS_BOUNDS = (1, 32)
_WEB_SCHEMES = ("http", "https")


class OnRedisFailure(StrEnum):
    """The treatment of turns that cannot be charged during an outage of Redis."""

    ALLOW = "allow"
    DENY = "deny"


class SettingsError(Exception):
    """The service cannot start with this environment; the text lists every fix."""


class BackendKind(StrEnum):
    """The stores: real servers, or in-memory twins of one process, which keep nothing."""

    LIVE = "live"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of `create_app`; the names of numbers contain their unit.

    `key_peppers` and `cursor_secrets` are lists: the first signs, all verify. To rotate one, follow
    docs/operate/secrets.md. `id_key` never rotates, because interaction ids are made from it.
    Secrets and addresses, which may hold passwords, are not shown by `repr`.
    """

    key_peppers: tuple[str, ...] = field(repr=False)
    id_key: str = field(repr=False)
    cursor_secrets: tuple[str, ...] = field(repr=False)
    backend: BackendKind = BackendKind.LIVE
    mongodb_uri: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    operator_token: str = field(default="", repr=False)
    metrics_token: str = field(default="", repr=False)
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
    audit_retention_days: int = 730
    request_log_days: int = 14
    metrics_organizations: int = 50
    log_level: str = "info"
    documentation_url: str = ""
    cors_allowed_origins: tuple[str, ...] = ()
    otel_exporter_otlp_endpoint: str = field(default="", repr=False)
    otlp_user_attributes: tuple[str, ...] = ("user.id", "enduser.id")
    otlp_relationship_attributes: tuple[str, ...] = ("gen_ai.conversation.id",)
    otlp_personality_attributes: tuple[str, ...] = (
        "gen_ai.agent.id",
        "gen_ai.agent.name",
        "service.name",
    )
    otlp_default_personality: str = "unknown_agent"

    @classmethod
    def from_environ(cls) -> "Settings":
        """Read the process's environment; `SettingsError` has the fix of every bad variable."""
        variables = Variables()
        values = _read(variables)
        if variables.problems:
            raise SettingsError(_explain(variables.problems))
        # A variable that is not set leaves the default of the class above.
        settings = cls(**{name: value for name, value in values.items() if value is not None})
        if settings.request_deadline_s * 1_000 <= settings.mongodb_timeout_ms:
            # Reconciling waits one deadline for inserts in flight, and is exact only then.
            raise SettingsError("REQUEST_DEADLINE_S must be longer than MONGODB_TIMEOUT_MS.")
        return settings

    def require_hosts(self) -> None:
        """Raise SettingsError if DNS knows no host of an address; for start-up, not for workers.

        A replaced worker must start during an outage of DNS.
        """
        problems = {}
        lookups = {"MONGODB_URI": require_mongodb_host, "REDIS_URL": require_redis_host}
        for name, require in lookups.items():
            address = getattr(self, name.lower())
            try:
                if self.backend is BackendKind.LIVE:
                    require(address)
            except ValueError as error:
                problems[name] = str(error)
        if problems:
            raise SettingsError(_explain(problems))


def _read(variables: Variables) -> dict[str, Any]:
    number, choice = variables.number, variables.choice
    backend = choice("BACKEND", BackendKind)
    values: dict[str, Any] = {
        "backend": backend and BackendKind(backend),
        "mongodb_uri": variables.text("MONGODB_URI", require_mongodb_uri),
        "redis_url": variables.text("REDIS_URL", parse_redis_url),
        "key_peppers": variables.secrets("KEY_PEPPERS"),
        "id_key": variables.secret("ID_KEY"),
        "cursor_secrets": variables.secrets("CURSOR_SECRETS"),
        "operator_token": variables.secret("OPERATOR_TOKEN"),
        "metrics_token": variables.secret("METRICS_TOKEN"),
        "plans_file": variables.file("PLANS_FILE"),
        "trusted_proxy_hops": number("TRUSTED_PROXY_HOPS", 0, 10),
        "ip_limit": variables.text("IP_LIMIT", _require_rate),
        "redis_timeout_ms": number("REDIS_TIMEOUT_MS", 1, 60_000),
        "mongodb_timeout_ms": number("MONGODB_TIMEOUT_MS", 500, 60_000),
        "request_deadline_s": number("REQUEST_DEADLINE_S", 1, 300),
        # Processes that share a rate during an outage of Redis; app/serving/web.py reads it too.
        "web_concurrency": number("WEB_CONCURRENCY", *WEB_CONCURRENCY_BOUNDS),
        # One organization gets a share of the threads; app/serving/web.py reads it for the servers.
        "web_threads": number("WEB_THREADS", *WEB_THREADS_BOUNDS),
        # An idempotency key is valid for a day, and no key may be removed before that.
        "key_retention_days": number("KEY_RETENTION_DAYS", 1, 3_650),
        "audit_retention_days": number("AUDIT_RETENTION_DAYS", 1, 3_650),
        # 0 switches the log of refused requests off.
        "request_log_days": number("REQUEST_LOG_DAYS", 0, 365),
        "metrics_organizations": number("METRICS_ORGANIZATIONS", 0, 1_000),
        "log_level": choice("LOG_LEVEL", _LOG_LEVELS),
        "documentation_url": variables.text(
            "DOCUMENTATION_URL", _web_address("https://turnledger.example/docs")
        ),
        "otel_exporter_otlp_endpoint": variables.text(
            "OTEL_EXPORTER_OTLP_ENDPOINT", _web_address("http://localhost:4318")
        ),
        "otlp_default_personality": variables.text("OTLP_DEFAULT_PERSONALITY", require_personality),
    }
    origins = variables.text("CORS_ALLOWED_ORIGINS", parse_origins)
    values["cors_allowed_origins"] = origins and parse_origins(origins)
    for name in ("USER", "RELATIONSHIP", "PERSONALITY"):
        variable = f"OTLP_{name}_ATTRIBUTES"
        listed = variables.text(variable, parse_attributes)
        values[variable.lower()] = listed and parse_attributes(listed)
    on_failure = choice("QUOTA_ON_REDIS_FAILURE", OnRedisFailure)
    values["quota_on_redis_failure"] = on_failure and OnRedisFailure(on_failure)
    required = [*_SECRETS] if backend == BackendKind.MEMORY else [*_ADDRESSES, *_SECRETS]
    for name in required:
        variables.require(name, values[name.lower()])
    return values


def _require_rate(text: str) -> None:
    try:
        limits = parse_many(text)
    except ValueError:
        limits = []
    if len(limits) != 1:
        raise ValueError("set one limit, like 20/2seconds")


def _web_address(example: str) -> Callable[[str], None]:
    def require(text: str) -> None:
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in _WEB_SCHEMES or not parts.hostname or " " in text:
            raise ValueError(f"must be an address like {example}")

    return require


def _explain(problems: Mapping[str, str]) -> str:
    """Return one line a variable; values are left out, since they may be secrets."""
    lines = [f"  {name}: {fix}" for name, fix in problems.items()]
    return "\n".join(["The environment cannot start Turnledger:", *lines, "See .env.example."])
