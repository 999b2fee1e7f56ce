"""Every reader of variables, with a corpus of odd values: `tests/corpus/variables.json`."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

from app.serving.run_folder import VARIABLE, close_folder, open_folder
from app.serving.web import Web
from config.settings import Settings, SettingsError
from config.variables import Variables
from devkit.bundled import BundledServerError, find_mongod, find_redis_server
from scripts.lib.local.environment import caller_environ
from scripts.lib.local.messages import Failure
from tests.corpus.variables import CANARY, VARIABLES, Variable, good_environ

SETTINGS = {field.name.upper() for field in fields(Settings)}
WEB = {
    *("HOST", "PORT", "WEB_CONCURRENCY", "WEB_THREADS", "WEB_KEEPALIVE_S", "DRAIN_S"),
    *("WEB_TLS_CERTIFICATE", "WEB_TLS_KEY"),
}
LOCAL_RUN = {
    *("MONGODB_URI", "REDIS_URL", "BACKEND", "DATA_DIR", "DEMO_TURNS", "WEB_CONCURRENCY"),
}
PROGRAMS = {"MONGOD_BIN": find_mongod, "REDIS_SERVER_BIN": find_redis_server}


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the required variables and none other of ours."""
    for name in SETTINGS | WEB | LOCAL_RUN | {VARIABLE, *PROGRAMS}:
        monkeypatch.delenv(name, raising=False)
    for name, value in good_environ().items():
        monkeypatch.setenv(name, value)


def of(names: set[str]) -> list[Variable]:
    return [variable for variable in VARIABLES if variable.name in names]


def assert_refused_as_expected(refusal: str | None, variable: Variable) -> None:
    """Check that a reader refuses the value with the expected words, or not at all."""
    if not variable.refused:
        assert refusal is None
        return
    assert refusal is not None
    (line,) = [line for line in refusal.splitlines() if variable.name in line]
    assert [words for words in variable.refused if words not in line] == []
    assert CANARY not in refusal


def refusal_of_settings() -> str | None:
    try:
        Settings.from_environ().require_hosts()
    except SettingsError as error:
        return str(error)
    return None


@pytest.mark.parametrize("variable", of(SETTINGS), ids=str)
def test_the_settings(monkeypatch: pytest.MonkeyPatch, variable: Variable) -> None:
    monkeypatch.setenv(variable.name, variable.value)
    assert_refused_as_expected(refusal_of_settings(), variable)


@pytest.mark.parametrize("variable", of(WEB), ids=str)
def test_the_servers_variables(variable: Variable) -> None:
    try:
        Web.from_environ({variable.name: variable.value})
    except SystemExit as refused:
        refusal = str(refused)
        assert "\n" not in refusal
        assert_refused_as_expected(refusal.replace("WEB_TLS_KEY=''", variable.name), variable)
    else:
        assert_refused_as_expected(None, variable)


@pytest.mark.parametrize("variable", of({VARIABLE}), ids=str)
def test_the_folder_of_a_run(monkeypatch: pytest.MonkeyPatch, variable: Variable) -> None:
    monkeypatch.setenv(variable.name, variable.value)
    try:
        open_folder()
    except SystemExit as refused:
        assert_refused_as_expected(str(refused), variable)
    else:
        assert_refused_as_expected(None, variable)
        assert Path(os.environ[VARIABLE]).is_dir()
    finally:
        close_folder()


@pytest.mark.parametrize("variable", of(LOCAL_RUN), ids=str)
def test_the_local_run_checks_values_as_the_service_does(variable: Variable) -> None:
    """Expect addresses to be refused by the service, and quotes and line ends by the local run."""
    is_ours = variable.name not in {"MONGODB_URI", "REDIS_URL"}
    is_changed = {"quotes", "line end", "cannot be printed"} & set(variable.refused)
    try:
        chosen = caller_environ({variable.name: variable.value})
    except Failure as failure:
        assert_refused_as_expected(str(failure), variable)
    else:
        assert not variable.refused or not (is_ours or is_changed)
        assert chosen.get(variable.name, "") == variable.value.strip(" \t")


@pytest.mark.parametrize("variable", of(set(PROGRAMS)), ids=str)
def test_the_programs_of_servers(monkeypatch: pytest.MonkeyPatch, variable: Variable) -> None:
    monkeypatch.setenv(variable.name, variable.value)
    with pytest.raises(BundledServerError) as refused:
        PROGRAMS[variable.name]()
    assert_refused_as_expected(str(refused.value), variable)


def test_every_variable_of_the_example_is_in_the_corpus() -> None:
    named = {variable.name for variable in VARIABLES}
    assert SETTINGS | WEB | LOCAL_RUN | {VARIABLE, *PROGRAMS} == named


def test_a_value_is_trimmed_and_bytes_other_than_text_are_refused() -> None:
    variables = Variables({"GOOD": " a b\t", "BAD": "\udcff", "WORSE": "\ud800"})
    assert [variables.text(name) for name in variables.environ] == ["a b", None, None]
    assert list(variables.problems) == ["BAD", "WORSE"]


def test_a_secret_is_the_same_in_every_locale() -> None:
    secret = "\u00eb" * 32
    as_ascii_has_it = secret.encode().decode("ascii", "surrogateescape")
    for name in ("KEY_PEPPERS", "ID_KEY"):
        found = [Variables({name: text}).secrets(name) for text in (secret, as_ascii_has_it)]
        assert found == [(secret,), (secret,)]


def test_a_path_outside_ascii_is_accepted_in_an_ascii_locale() -> None:
    path = "/home/Zo\u00eb".encode().decode("ascii", "surrogateescape")
    assert Variables({"DATA_DIR": path}).text("DATA_DIR") == path
