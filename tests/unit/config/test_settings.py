"""Settings: one error lists every bad variable and never contains a secret."""

from pathlib import Path

import pytest

from config.settings import BackendKind, OnRedisFailure, Settings, SettingsError
from tests.corpus.variables import READ_TOGETHER

CANARY = "canary-short-secret"
GOOD = {
    "BACKEND": "memory",
    "KEY_PEPPERS": "p" * 32,
    "ID_KEY": "i" * 32,
    "CURSOR_SECRETS": "c" * 32,
}
ALL = [*READ_TOGETHER, "WEB_CONCURRENCY", "WEB_THREADS"]
BAD = {
    "KEY_PEPPERS": f"{'p' * 32},{CANARY}",
    "ID_KEY": CANARY,
    "CURSOR_SECRETS": CANARY,
    "OPERATOR_TOKEN": CANARY,
    "METRICS_TOKEN": CANARY,
    "PLANS_FILE": "/no/such/file.toml",
    "TRUSTED_PROXY_HOPS": "-1",
    "IP_LIMIT": "a few",
    "REDIS_TIMEOUT_MS": "0",
    "MONGODB_TIMEOUT_MS": "soon",
    "REQUEST_DEADLINE_S": "0",
    "QUOTA_ON_REDIS_FAILURE": "perhaps",
    "WEB_CONCURRENCY": "0",
    "WEB_THREADS": "33",
    "LOG_LEVEL": "loud",
    "DOCUMENTATION_URL": "nowhere",
    "CORS_ALLOWED_ORIGINS": "https://app.example/",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
}


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return an environment without our variables."""
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def settings_from(environ: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        environ.setenv(name, value)
    return Settings.from_environ()


def error_text(environ: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(SettingsError) as refused:
        settings_from(environ, **variables)
    return str(refused.value)


def test_the_required_variables_leave_every_default(environ: pytest.MonkeyPatch) -> None:
    settings = settings_from(environ, **GOOD)

    assert settings.backend is BackendKind.MEMORY
    assert (settings.key_peppers, settings.id_key) == (("p" * 32,), "i" * 32)
    assert (settings.ip_limit, settings.trusted_proxy_hops) == ("20/2seconds", 0)
    assert (settings.redis_timeout_ms, settings.mongodb_timeout_ms) == (50, 2_000)
    assert (settings.request_deadline_s, settings.log_level) == (10, "info")
    assert (settings.quota_on_redis_failure, settings.web_concurrency) == ("allow", 2)
    assert settings.plans_file.is_file()
    assert settings.cors_allowed_origins == ()


def test_lists_keep_their_order(environ: pytest.MonkeyPatch) -> None:
    settings = settings_from(environ, **GOOD | {"CURSOR_SECRETS": f"{'n' * 32},{'o' * 40}"})

    assert settings.cursor_secrets == ("n" * 32, "o" * 40)


@pytest.mark.parametrize("name", ["KEY_PEPPERS", "CURSOR_SECRETS"])
def test_blanks_around_a_comma_are_not_part_of_a_secret(
    environ: pytest.MonkeyPatch, name: str
) -> None:
    settings = settings_from(environ, **GOOD | {name: f" {'n' * 32} ,\t{'o' * 40} "})

    assert getattr(settings, name.lower()) == ("n" * 32, "o" * 40)


@pytest.mark.parametrize(
    "name", ["KEY_PEPPERS", "CURSOR_SECRETS", "ID_KEY", "OPERATOR_TOKEN", "METRICS_TOKEN"]
)
@pytest.mark.parametrize(
    "secret",
    [" " * 40, f'"{"s" * 40}"', f"'{'s' * 40}'", f"{'s' * 40}\r", f"{'s' * 40}\n", "s s" * 20],
)
def test_a_secret_changed_by_a_shell_or_a_file_is_refused_with_its_name(
    environ: pytest.MonkeyPatch, name: str, secret: str
) -> None:
    (line,) = [
        line
        for line in error_text(environ, **GOOD | {name: secret}).splitlines()
        if line.startswith("  ")
    ]
    assert line.startswith(f"  {name}: ")
    assert secret.strip() not in line or not secret.strip()


def test_an_empty_environment_lists_every_missing_variable(environ: pytest.MonkeyPatch) -> None:
    text = error_text(environ)

    missing = ("MONGODB_URI", "REDIS_URL", "KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS")
    assert [name for name in missing if name not in text] == []


def test_every_bad_variable_is_listed_without_its_value(
    environ: pytest.MonkeyPatch,
) -> None:
    text = error_text(environ, **GOOD | BAD)

    assert [name for name in BAD if f"  {name}: " not in text] == []
    assert CANARY not in text
    assert ".env.example" in text


@pytest.mark.parametrize("name", BAD)
def test_a_single_bad_variable_is_the_only_one_listed(
    environ: pytest.MonkeyPatch, name: str
) -> None:
    text = error_text(environ, **GOOD | {name: BAD[name]})

    assert [other for other in ALL if f"  {other}: " in text] == [name]
    assert CANARY not in text


@pytest.mark.parametrize("backend", ["mongodb", "LIVE "])
def test_another_backend_is_refused(environ: pytest.MonkeyPatch, backend: str) -> None:
    assert "  BACKEND: " in error_text(environ, **GOOD | {"BACKEND": backend})


@pytest.mark.parametrize("secret", ["", ",", f"{'p' * 32},"])
def test_an_empty_secret_is_refused(environ: pytest.MonkeyPatch, secret: str) -> None:
    assert "  KEY_PEPPERS: " in error_text(environ, **GOOD | {"KEY_PEPPERS": secret})


def test_repr_shows_no_secret(environ: pytest.MonkeyPatch) -> None:
    shown = repr(settings_from(environ, **GOOD | {"OPERATOR_TOKEN": "o" * 32}))

    assert [text for text in ("p" * 32, "i" * 32, "c" * 32, "o" * 32) if text in shown] == []


def test_another_plans_file_can_be_set(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "plans.toml"
    own.write_text("")

    assert settings_from(environ, **GOOD | {"PLANS_FILE": str(own)}).plans_file == own


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("MONGODB_URI", "postgres://host/db"), ("REDIS_URL", "host:6379")),
        *(("REDIS_URL", "redis+cluster://"), ("REDIS_URL", "redis+sentinel://host")),
    ],
)
def test_an_address_of_another_store_is_refused(
    environ: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert f"  {name}: must be an address" in error_text(environ, **GOOD | {name: value})


@pytest.mark.parametrize(
    "url", ["redis+cluster://a:1,b:2", "rediss+sentinel://u:p@a,b/service/0", "unix:///r.sock"]
)
def test_every_layout_of_redis_is_accepted(environ: pytest.MonkeyPatch, url: str) -> None:
    assert settings_from(environ, **GOOD | {"REDIS_URL": url}).redis_url == url


def test_turns_can_be_refused_during_a_redis_outage(environ: pytest.MonkeyPatch) -> None:
    settings = settings_from(environ, **GOOD | {"QUOTA_ON_REDIS_FAILURE": "deny"})
    assert settings.quota_on_redis_failure is OnRedisFailure.DENY


def test_the_deadline_must_exceed_the_mongodb_timeout(environ: pytest.MonkeyPatch) -> None:
    times = {"REQUEST_DEADLINE_S": "2", "MONGODB_TIMEOUT_MS": "2000"}

    assert "REQUEST_DEADLINE_S must be longer" in error_text(environ, **GOOD | times)
