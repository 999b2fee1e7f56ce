"""Build missing indexes and change those that differ, without a time limit.

A build can be interrupted and repeated, and reports its progress.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import Event, Thread
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from app.backends.definitions import (
    Definition,
    Document,
    changed_options,
    has_keys,
    is_as_defined,
    is_real,
    stored_indexes,
)
from app.backends.time_limits import bounded

Report = Callable[[str], None]
MOST_NAMED_COUNT = 10
_ON_ID = "_id_"  # the server's own
NO_BOUND = 0  # as PyMongo's `timeout` has it
_REPORT_EVERY_S = 1.0
_SAME_KEYS_OTHER_NAME, _SAME_NAME_OTHER_KEYS, _NOT_UNIQUE = 85, 86, 359
# MongoDB 6.0 can change these without a new build: unique, hidden and the time to live.
_CHANGEABLE = frozenset({"unique", "hidden", "expireAfterSeconds"})


class State(StrEnum):
    """The result for an index or a validator."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    CHANGED = "changed"
    BLOCKED = "blocked"
    RETIRED = "retired"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of an index or a validator after the run; `next_step` is what remains to do."""

    collection: str
    name: str
    state: State
    next_step: str | None = None


class _Blocked(Exception):
    """The index cannot be built; the text contains the reason and the next step."""


def ensure_indexes(
    database: Database[Document], definition: Definition, report: Report
) -> Iterator[Outcome]:
    """Build or change each index of the collection, one after the other.

    A finished index stays if a later one fails. No row is ever deleted and no index dropped: an
    index that would need it is `BLOCKED`.
    """
    existing = stored_indexes(database, definition.collection)
    if existing.keys() <= {_ON_ID} and not database[definition.collection].find_one({}, {"_id": 1}):
        yield from _build_together(database, definition)
        return
    for name in definition.indexes:
        try:
            state = _ensure_index(database, definition, name, existing.get(name), report)
        except _Blocked as blocked:
            yield Outcome(definition.collection, name, State.BLOCKED, str(blocked))
        else:
            yield Outcome(definition.collection, name, state)


def _build_together(database: Database[Document], definition: Definition) -> Iterator[Outcome]:
    """Build every index of an empty collection in one command, which takes no time."""
    database[definition.collection].create_indexes(
        [_model(name, *about) for name, about in definition.indexes.items()]
    )
    for name in definition.indexes:
        yield Outcome(definition.collection, name, State.CREATED)


def _model(name: str, keys: Sequence[str], options: Mapping[str, Any]) -> IndexModel:
    return IndexModel([(key, ASCENDING) for key in keys], name=name, **options)


def _ensure_index(
    database: Database[Document],
    definition: Definition,
    name: str,
    stored: Document | None,
    report: Report,
) -> State:
    keys, options = definition.indexes[name]
    if stored is None:
        with bounded(NO_BOUND), _progress(database, definition.collection, name, report):
            _build(database, definition.collection, name, keys, options)
        return State.CREATED
    if not is_real(database) or is_as_defined(stored, keys, options):
        return State.UNCHANGED
    changed = changed_options(stored, options)
    if not has_keys(stored, keys) or not _is_changeable(changed, options):
        raise _Blocked(_other_definition(definition.collection, name))
    with bounded(NO_BOUND), _progress(database, definition.collection, name, report):
        _change(database, definition.collection, name, keys, {n: options.get(n) for n in changed})
    return State.CHANGED


def _build(
    database: Database[Document],
    collection: str,
    name: str,
    keys: Sequence[str],
    options: Mapping[str, Any],
) -> None:
    try:
        database[collection].create_indexes([_model(name, keys, options)])
    except DuplicateKeyError:
        raise _Blocked(_duplicates(database, collection, name, keys)) from None
    except OperationFailure as error:
        if error.code not in {_SAME_KEYS_OTHER_NAME, _SAME_NAME_OTHER_KEYS}:
            raise
        existing = stored_indexes(database, collection)
        others = [other for other, stored in existing.items() if has_keys(stored, keys)]
        raise _Blocked(_other_definition(collection, *others)) from None


def _is_changeable(changed: set[str], options: Mapping[str, Any]) -> bool:
    # The server can remove neither `unique` nor a time to live.
    return changed <= _CHANGEABLE and changed - {"hidden"} <= options.keys()


def _change(
    database: Database[Document],
    collection: str,
    name: str,
    keys: Sequence[str],
    values: Mapping[str, Any],
) -> None:
    """Change the options of an existing index, which continues to serve reads."""
    steps: list[Document] = [
        {option: False if value is None else value} for option, value in values.items()
    ]
    if "unique" in values:
        # From now on the server refuses new duplicates, even if the next step finds old ones.
        steps.insert(0, {"prepareUnique": True})
    for step in steps:
        try:
            database.command({"collMod": collection, "index": {"name": name, **step}})
        except OperationFailure as error:
            if error.code != _NOT_UNIQUE:
                raise
            raise _Blocked(_duplicates(database, collection, name, keys)) from None


def _other_definition(collection: str, *names: str) -> str:
    drops = "; ".join(f'db.{collection}.dropIndex("{name}")' for name in names)
    return (
        f"{collection}: an index {', '.join(names)} has another definition. Drop it in mongosh "
        f"({drops}) and run `flask --app wsgi db init` again."
    )


def _duplicates(
    database: Database[Document], collection: str, name: str, keys: Sequence[str]
) -> str:
    """Return a text with the ids of rows that share their keys; no other field may be shown."""
    group: Document = {
        "_id": {key: f"${key}" for key in keys},
        "rows": {"$sum": 1},
        "first": {"$min": "$_id"},
        "last": {"$max": "$_id"},
    }
    pipeline: list[Document] = [
        {"$group": group},
        {"$match": {"rows": {"$gt": 1}}},
        {"$limit": MOST_NAMED_COUNT},
    ]
    with bounded(NO_BOUND):
        found = list(database[collection].aggregate(pipeline, allowDiskUse=True))
    named = ", ".join(f"{each['first']} and {each['last']}" for each in found)
    return (
        f"{collection}: the index {name} must be unique, but rows have the same "
        f"{', '.join(keys)}: {named} (at most {MOST_NAMED_COUNT} groups are named). Delete all but "
        "one row of each group and run `flask --app wsgi db init` again."
    )


@contextmanager
def _progress(
    database: Database[Document], collection: str, name: str, report: Report
) -> Iterator[None]:
    """Report each second how long the block has run, and the progress that the server reports."""
    started_s, done = time.monotonic(), Event()
    what = f"{collection}: index {name}"

    def watch() -> None:
        while not done.wait(_REPORT_EVERY_S):
            stage = _stage(database, collection)
            report(f"{what}, {time.monotonic() - started_s:.0f} s{stage}")

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _stage(database: Database[Document], collection: str) -> str:
    """Return the progress of a build on the collection; empty if the user may not read it."""
    chosen: Document = {"ns": f"{database.name}.{collection}", "progress.total": {"$gt": 0}}
    pipeline: list[Document] = [
        {"$currentOp": {"allUsers": True}},
        {"$match": chosen},
        {"$limit": 1},
    ]
    try:
        with bounded(_REPORT_EVERY_S):
            found = list(database.client.admin.aggregate(pipeline))
    except PyMongoError:
        return ""
    return "".join(f", {_percent(operation['progress'])} %" for operation in found)


def _percent(progress: Mapping[str, int]) -> int:
    return 100 * progress["done"] // progress["total"]
