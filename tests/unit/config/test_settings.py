"""Settings: every bad variable at once, and never a secret in the complaint."""

from pathlib import Path

import pytest

from config.settings import BackendKind, OnRedisFailure, Settings, SettingsError

CANARY = "canary-short-secret"
GOOD = {
    "BACKEND": "memory",
    "KEY_PEPPERS": "p" * 32,
    "ID_KEY": "i" * 32,
    "CURSOR_SECRETS": "c" * 32,
}
ALL = [
    *("BACKEND", "MONGODB_URI", "REDIS_URL", "KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS"),
    *("OPERATOR_TOKEN", "PLANS_FILE", "TRUSTED_PROXY_HOPS", "IP_LIMIT", "REDIS_TIMEOUT_MS"),
    *("MONGODB_TIMEOUT_MS", "REQUEST_DEADLINE_S", "LOG_LEVEL", "DOCUMENTATION_URL"),
    *("QUOTA_ON_REDIS_FAILURE", "WEB_CONCURRENCY", "WEB_THREADS"),
]
BAD = {
    "KEY_PEPPERS": f"{'p' * 32},{CANARY}",
    "ID_KEY": CANARY,
    "CURSOR_SECRETS": CANARY,
    "OPERATOR_TOKEN": CANARY,
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
}


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names nothing of ours."""
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def settings_from(environ: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        environ.setenv(name, value)
    return Settings.from_environ()


def complaint(environ: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(SettingsError) as refused:
        settings_from(environ, **variables)
    return str(refused.value)


def test_the_least_that_must_be_set_leaves_every_default(environ: pytest.MonkeyPatch) -> None:
    settings = settings_from(environ, **GOOD)

    assert settings.backend is BackendKind.MEMORY
    assert (settings.key_peppers, settings.id_key) == (("p" * 32,), "i" * 32)
    assert (settings.ip_limit, settings.trusted_proxy_hops) == ("20/2seconds", 0)
    assert (settings.redis_timeout_ms, settings.mongodb_timeout_ms) == (50, 2_000)
    assert (settings.request_deadline_s, settings.log_level) == (10, "info")
    assert (settings.quota_on_redis_failure, settings.web_concurrency) == ("allow", 2)
    assert settings.plans_file.is_file()


def test_lists_are_newest_first(environ: pytest.MonkeyPatch) -> None:
    settings = settings_from(environ, **GOOD | {"CURSOR_SECRETS": f"{'n' * 32},{'o' * 40}"})

    assert settings.cursor_secrets == ("n" * 32, "o" * 40)


@pytest.mark.parametrize("name", ["KEY_PEPPERS", "CURSOR_SECRETS"])
def test_blanks_around_a_comma_are_no_part_of_a_secret(
    environ: pytest.MonkeyPatch, name: str
) -> None:
    settings = settings_from(environ, **GOOD | {name: f" {'n' * 32} ,\t{'o' * 40} "})

    assert getattr(settings, name.lower()) == ("n" * 32, "o" * 40)


@pytest.mark.parametrize("name", ["KEY_PEPPERS", "CURSOR_SECRETS", "ID_KEY", "OPERATOR_TOKEN"])
@pytest.mark.parametrize(
    "secret",
    [" " * 40, f'"{"s" * 40}"', f"'{'s' * 40}'", f"{'s' * 40}\r", f"{'s' * 40}\n", "s s" * 20],
)
def test_a_secret_that_a_shell_or_a_file_has_changed_is_refused_by_name(
    environ: pytest.MonkeyPatch, name: str, secret: str
) -> None:
    (line,) = [
        line
        for line in complaint(environ, **GOOD | {name: secret}).splitlines()
        if line.startswith("  ")
    ]
    assert line.startswith(f"  {name}: ")
    assert secret.strip() not in line or not secret.strip()


def test_an_empty_environment_names_all_that_is_missing(environ: pytest.MonkeyPatch) -> None:
    told = complaint(environ)

    missing = ("MONGODB_URI", "REDIS_URL", "KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS")
    assert [name for name in missing if name not in told] == []


def test_every_bad_variable_is_told_at_once_without_its_value(
    environ: pytest.MonkeyPatch,
) -> None:
    told = complaint(environ, **GOOD | BAD)

    assert [name for name in BAD if f"  {name}: " not in told] == []
    assert CANARY not in told
    assert ".env.example" in told


@pytest.mark.parametrize("name", BAD)
def test_one_bad_variable_is_the_only_one_named(environ: pytest.MonkeyPatch, name: str) -> None:
    told = complaint(environ, **GOOD | {name: BAD[name]})

    assert [other for other in ALL if f"  {other}: " in told] == [name]
    assert CANARY not in told


@pytest.mark.parametrize("backend", ["mongodb", "LIVE "])
def test_another_backend_is_refused(environ: pytest.MonkeyPatch, backend: str) -> None:
    assert "  BACKEND: " in complaint(environ, **GOOD | {"BACKEND": backend})


@pytest.mark.parametrize("secret", ["", ",", f"{'p' * 32},"])
def test_an_empty_secret_is_none(environ: pytest.MonkeyPatch, secret: str) -> None:
    assert "  KEY_PEPPERS: " in complaint(environ, **GOOD | {"KEY_PEPPERS": secret})


def test_a_secret_is_not_shown_where_settings_are_printed(environ: pytest.MonkeyPatch) -> None:
    shown = repr(settings_from(environ, **GOOD | {"OPERATOR_TOKEN": "o" * 32}))

    assert [text for text in ("p" * 32, "i" * 32, "c" * 32, "o" * 32) if text in shown] == []


def test_a_plans_file_may_be_named(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
def test_an_address_of_another_kind_is_refused(
    environ: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert f"  {name}: must be an address" in complaint(environ, **GOOD | {name: value})


@pytest.mark.parametrize(
    "url", ["redis+cluster://a:1,b:2", "rediss+sentinel://u:p@a,b/service/0", "unix:///r.sock"]
)
def test_redis_may_stand_in_any_layout(environ: pytest.MonkeyPatch, url: str) -> None:
    assert settings_from(environ, **GOOD | {"REDIS_URL": url}).redis_url == url


def test_turns_may_be_refused_while_redis_is_ill(environ: pytest.MonkeyPatch) -> None:
    settings = settings_from(environ, **GOOD | {"QUOTA_ON_REDIS_FAILURE": "deny"})
    assert settings.quota_on_redis_failure is OnRedisFailure.DENY


def test_a_deadline_must_outlast_the_store(environ: pytest.MonkeyPatch) -> None:
    times = {"REQUEST_DEADLINE_S": "2", "MONGODB_TIMEOUT_MS": "2000"}

    assert "REQUEST_DEADLINE_S must be longer" in complaint(environ, **GOOD | times)
