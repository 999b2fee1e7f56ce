"""An error means that nothing was changed, and a change means no error: for every command."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask
from mongomock import Collection
from pymongo.errors import AutoReconnect

from app.admission.decision import TurnCharge
from app.admission.gate import Gate
from app.admission.operations import Charge
from app.admission.reconcile import Reconciler
from app.audit.store import COLLECTION as AUDIT
from app.backends.backend import Backend
from app.cli import output
from app.http.application import provided
from app.tenancy.model import Environment, Principal, Scope
from app.tenancy.service import Organizations
from app.usage.health import ArchiveHealth
from app.usage.notes.store import PassNotes
from tests.callers import Caller, app_on, new_caller
from tests.cli.conftest import Run
from tests.cli.imports import ndjson, old
from tests.damage import ORGANIZATIONS, damage_organization
from tests.servers import ROOT, environ_for
from tests.turns import body

pytestmark = pytest.mark.slow  # seconds of work

Words = list[str]
INDEX = "revoked"
NO_USES = {"last_used_at": 0}
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """An application in which every command has something to change."""

    app: Flask
    caller: Caller
    key_id: str
    suspended: Caller
    file: Path

    @property
    def backend(self) -> Backend:
        with self.app.app_context():
            return provided(Backend)

    def state(self) -> State:
        """Return all that is stored: documents, indexes and hashes.

        Entries of the audit trail are left out: a change that was refused has one as well. So are
        last uses of keys, which are written in the background.
        """
        database, redis = self.backend.database, self.backend.redis
        stored: State = {
            name: (
                [repr(found) for found in database[name].find({}, NO_USES).sort("_id", 1)],
                sorted(database[name].index_information()),
            )
            for name in sorted(database.list_collection_names())
            if name != AUDIT
        }
        for name in sorted(redis.keys("quota:*")):
            stored[name] = redis.hgetall(name) if redis.type(name) == "hash" else None
        return stored


COMMANDS: Mapping[str, Callable[[World], Words]] = {
    "org create": lambda world: ["org", "create", "Zoë"],
    "org set-plan": lambda world: ["org", "set-plan", world.caller.organization.id, "scale"],
    "org raise": lambda world: [
        *("org", "raise", world.caller.organization.id, "--turns", "9"),
        *("--until", "2999-01-01"),
    ],
    "org suspend": lambda world: ["org", "suspend", world.caller.organization.id],
    "org resume": lambda world: ["org", "resume", world.suspended.organization.id],
    "key create": lambda world: ["key", "create", world.caller.organization.id, "--scope", "read"],
    "key revoke": lambda world: ["key", "revoke", world.key_id],
    "key rotate": lambda world: ["key", "rotate", world.key_id],
    "quota reconcile": lambda world: ["quota", "reconcile"],
    "turns import": lambda world: [
        *("turns", "import"),
        *(world.caller.organization.id, str(world.file)),
    ],
    "archive run": lambda world: ["archive", "run"],
    "db init": lambda world: ["db", "init"],
    "demo seed": lambda world: ["demo", "seed", "--turns", "0"],
}
# The others work through many elements: they name what failed, and may be repeated. A rotation
# changes two keys.
OF_ONE_CHANGE = [
    name for name in COMMANDS if name.startswith(("org", "key")) and name != "key rotate"
]
# Commands that show a key once.
OF_A_SECRET = {"key create", "key rotate"}
UNWRITABLE: Mapping[str, Exception] = {
    "a closed pipe": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "a full disk": OSError(errno.ENOSPC, "No space left on device"),
    "an encoding without the sign": UnicodeEncodeError("ascii", "ë", 0, 1, "not in range"),
}


@pytest.fixture
def world(memory_app: Flask, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    caller, suspended = new_caller(memory_app), new_caller(memory_app)
    assert caller.record(body()).status_code == 201
    key = caller("POST", "/v1/api-keys", json={"scope": "read"}).get_json()
    with memory_app.app_context():
        provided(Organizations).suspend(suspended.organization.id)
        principal = Principal.of(
            caller.organization,
            key_id="key_1",
            scope=Scope.READ_WRITE,
            environment=Environment.LIVE,
        )
        provided(Gate).decide(principal, Charge([TurnCharge("never stored", 2, None)]))
        provided(Reconciler)._deadline_s = 0
        # Other commands refuse to work without it.
        if "db init" in request.node.name:
            provided(Backend).database["api_keys"].drop_index(INDEX)
    return World(memory_app, caller, key["id"], suspended, ndjson(tmp_path, old(1)))


def assert_either_or(world: World, run: Run, command: str) -> bool:
    """Run the command: it either changes something and ends with 0, or neither. Which?"""
    before = world.state()
    result = run(*COMMANDS[command](world))
    has_changed = world.state() != before
    assert (result.exit_code, has_changed) in {(0, True), (1, False)}, result.output
    return has_changed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_changes_something_when_nothing_is_wrong(
    world: World, run: Run, command: str
) -> None:
    assert assert_either_or(world, run, command)


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
@pytest.mark.parametrize("reason", UNWRITABLE)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_answer_that_cannot_be_written_is_no_error_after_a_change(
    world: World,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    reason: str,
    *,
    as_json: bool,
) -> None:
    echo = click.echo

    def fail(message: Any = None, *, err: bool = False, **options: Any) -> None:
        if not err:
            raise UNWRITABLE[reason]
        echo(message, err=err, **options)

    monkeypatch.setattr(output.click, "echo", fail)
    if as_json and command != "demo seed":
        words = COMMANDS[command]
        monkeypatch.setitem(COMMANDS, command, lambda world: [*words(world), "--json"])  # type: ignore[arg-type]

    has_changed = assert_either_or(world, run, command)

    assert has_changed == (command not in OF_A_SECRET), "a key that nobody has seen is none"


@pytest.mark.parametrize("kind", ORGANIZATIONS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_faulty_organization_is_refused_before_the_change_or_not_at_all(
    world: World, run: Run, command: str, kind: str
) -> None:
    for caller in (world.caller, world.suspended):
        if not (caller is world.suspended and kind == "a suspension of a wrong type"):
            damage_organization(world.app, caller.organization.id, kind)

    if command == "archive run" and "sign-up" in kind:
        assert_the_others_are_done(world, run)
    else:
        assert_either_or(world, run, command)


def assert_the_others_are_done(world: World, run: Run) -> None:
    """Require a pass that does all it can, ends with 1 and names failures."""
    result = run("archive", "run")
    assert result.exit_code == 1
    assert world.caller.organization.id in result.stderr
    with world.app.app_context():
        assert provided(ArchiveHealth).list_waiting() == []


@pytest.mark.parametrize("kind", ORGANIZATIONS)
def test_an_organization_can_be_suspended_whatever_is_wrong_with_it(
    world: World, run: Run, kind: str
) -> None:
    damage_organization(world.app, world.caller.organization.id, kind)

    result = run("org", "suspend", world.caller.organization.id)

    assert result.exit_code == 0
    assert world.caller.organization.id in result.stdout
    (found,) = world.backend.database["organizations"].find({"_id": world.caller.organization.id})
    assert found["is_suspended"] is True


STORE_CALLS = ("insert_one", "update_one", "find_one_and_update", "delete_one", "find_one", "find")


@pytest.mark.parametrize("command", OF_ONE_CHANGE)
def test_a_store_that_goes_away_after_the_change_is_no_error(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    lose_store_after(monkeypatch, {"insert_one", "update_one", "find_one_and_update"})
    before = world.state()

    result = run(*COMMANDS[command](world))

    monkeypatch.undo()
    assert (result.exit_code, world.state() != before) == (0, True), result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_is_away_changes_nothing(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    before = world.state()
    lose_store_after(monkeypatch, set())
    for name in ("update_many", "insert_many", "bulk_write", "create_indexes"):
        monkeypatch.setattr(Collection, name, raise_away)

    result = run(*COMMANDS[command](world))

    monkeypatch.undo()
    assert (result.exit_code, world.state() == before) == (1, True), result.output


def lose_store_after(monkeypatch: pytest.MonkeyPatch, writes: set[str]) -> None:
    """Have every call fail once one of `writes` is done; from the start without any.

    An entry of the audit trail comes before the change, and is none.
    """
    done: list[str] = [] if writes else ["nothing to wait for"]

    def losing(name: str) -> Callable[..., Any]:
        call = getattr(Collection, name)

        def lose(collection: Collection, *words: Any, **options: Any) -> Any:
            if done and not sys._getframe(1).f_code.co_filename.endswith("mongomock/collection.py"):
                raise_away()
            found = call(collection, *words, **options)
            if name in writes and collection.name != AUDIT:
                done.append(name)
            return found

        return lose

    for name in STORE_CALLS:
        monkeypatch.setattr(Collection, name, losing(name))


def raise_away(*_: Any, **__: Any) -> Any:
    raise AutoReconnect("gone")


def test_a_reconciliation_that_cannot_be_noted_is_no_error(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PassNotes, "note_drift", raise_away)

    result = run("quota", "reconcile")

    assert result.exit_code == 0
    assert world.caller.counters()["turns_used"] == 1
    assert "missing from the metrics" in result.stderr


@pytest.mark.parametrize("command", sorted(OF_A_SECRET))
def test_a_key_that_could_be_neither_shown_nor_withdrawn_is_named(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(output, "_write", raise_closed)
    monkeypatch.setattr(Collection, "delete_one", raise_away)

    result = run(*COMMANDS[command](world))

    assert result.exit_code == 1
    newest = world.backend.database["api_keys"].find_one(sort=[("_id", -1)])
    assert newest is not None
    assert f"flask key revoke {newest['_id']}" in result.stderr


def raise_closed(_: str) -> None:
    raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize(
    "as_json", [False, pytest.param(True, marks=pytest.mark.long)], ids=["table", "json"]
)
def test_a_real_pipe_that_nobody_reads_is_no_error(
    own_stores: Callable[[], tuple[str, str]], *, as_json: bool
) -> None:
    mongodb_uri, redis_url = own_stores()
    with app_on(mongodb_uri, redis_url) as app, app.app_context():
        words = [*("org", "create", "Acme"), *(["--json"] if as_json else [])]

        ended = typed_into_a_closed_pipe(environ_for(mongodb_uri, redis_url), words)

        made = provided(Organizations).list_()
    assert (ended.returncode, len(made)) == (0, 1), ended.stderr
    assert ended.stderr == "Done, but the answer could not be written.\n"


def typed_into_a_closed_pipe(
    environ: Mapping[str, str], words: Words
) -> subprocess.CompletedProcess[str]:
    """Run a command as its own process, its output a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(environ),
            cwd=ROOT,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
