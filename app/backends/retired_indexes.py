"""Keep an index that a release replaces until all processes run that release, then drop it.

Queries of the previous release may need it. It is dropped only if it has the keys and options of
that release: an operator's own index may have the same name.
"""

from collections.abc import Iterator

from pymongo.database import Database

from app.backends.definitions import (
    Definition,
    Document,
    index_differences,
    is_as_defined,
    stored_indexes,
)
from app.backends.indexes import NO_BOUND, Outcome, State
from app.backends.time_limits import bounded


def retire_indexes(
    database: Database[Document], definition: Definition, *, drop: bool
) -> Iterator[Outcome]:
    """Yield each retired index of the collection that exists; with `drop`, drop it.

    It stays if an index of this release is missing or differs: that may be the one that replaces
    it.
    """
    existing = stored_indexes(database, definition.collection)
    found = [
        name
        for name, (keys, options) in definition.retired.items()
        if name in existing and is_as_defined(existing[name], keys, options)
    ]
    may_drop = drop and not any(index_differences(database, definition))
    for name in found:
        if may_drop:
            with bounded(NO_BOUND):
                database[definition.collection].drop_index(name)
            yield Outcome(definition.collection, name, State.DROPPED)
        else:
            yield Outcome(
                definition.collection,
                name,
                State.RETIRED,
                _drop_later(definition.collection, name),
            )


def _drop_later(collection: str, name: str) -> str:
    return (
        f"{collection}: the index {name} is kept for processes of the previous release. "
        "Once every process runs this release: `flask --app wsgi db init --tighten`."
    )
