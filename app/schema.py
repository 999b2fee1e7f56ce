"""The database's indexes and validators: made by a command at each release, never at import."""

from collections.abc import Iterator, Sequence

from app.backends.definitions import (
    VALIDATOR,
    Definition,
    Difference,
    Document,
    Stored,
    collection_options,
    find_differences,
    is_real,
)
from app.backends.indexes import Outcome, Report, State, ensure_indexes
from app.backends.validators import Validator, ensure_validator, is_enforced
from app.http.provide import provided
from app.interactions.store import COLLECTION as INTERACTIONS
from app.interactions.store import INDEXES
from app.interactions.validator import row_validator
from app.tenancy.store import KEY_INDEXES, KEYS_COLLECTION
from app.usage.store import COLLECTION as USAGE_DAYS
from app.usage.store import DAY_INDEXES, PERIOD_INDEXES, PERIODS

_NEXT_STEP = "Run `flask --app wsgi db init`."


class SchemaDiffers(Exception):
    """Indexes or validators are not as defined; the text says which, and the next step."""


def definitions() -> tuple[Definition, ...]:
    """Every collection that has indexes or a validator."""
    return (
        Definition(KEYS_COLLECTION, KEY_INDEXES),
        Definition(INTERACTIONS, INDEXES, row_validator()),
        Definition(USAGE_DAYS, DAY_INDEXES),
        Definition(PERIODS, PERIOD_INDEXES),
    )


class DatabaseSchema:
    """Compares the database with the definitions of this release, and makes it follow them.

    Comparing goes by the first of two clients of the same database, making by the second, which may
    wait longer.
    """

    def __init__(self, database: Stored, maintenance_database: Stored) -> None:
        self._database = database
        self._maintenance_database = maintenance_database
        self._definitions = definitions()

    def find_differences(self) -> list[Difference]:
        """Every index and validator that is missing or not as defined."""
        return find_differences(self._database, self._definitions)

    def ensure(
        self, report: Report = lambda line: None, *, tighten: bool = False
    ) -> Iterator[Outcome]:
        """Make what is missing and correct what differs, one after the other; may be repeated.

        `report` gets a line a second while an index is built. A validator still takes rows of the
        release before, unless `tighten` is set.
        """
        database = self._maintenance_database
        for definition in self._definitions:
            if definition.validator is not None and is_real(database):
                yield self._ensure_validator(definition, tighten=tighten)
            yield from ensure_indexes(database, definition, report)

    def _ensure_validator(self, definition: Definition, *, tighten: bool) -> Outcome:
        database, collection = self._maintenance_database, definition.collection
        ours = definition.validator or {}
        options = collection_options(database, [definition]).get(collection)
        in_force = ensure_validator(database, collection, ours, options, tighten=tighten)
        return Outcome(
            collection,
            VALIDATOR,
            _validator_state(options, in_force, ours),
            None if in_force == ours else _tighten_later(collection),
        )


def ensure_schema() -> None:
    """Make the database follow the definitions; SchemaDiffers if it cannot."""
    for outcome in provided(DatabaseSchema).ensure():
        if outcome.state is State.BLOCKED:
            raise SchemaDiffers(str(outcome.next_step))


def require_schema() -> None:
    """Raise SchemaDiffers with the next step unless all is as defined."""
    _require(provided(DatabaseSchema).find_differences())


def require_indexes() -> None:
    """Raise the same if indexes are missing or differ; the validator has no say in reading."""
    found = provided(DatabaseSchema).find_differences()
    _require([each for each in found if each.name != VALIDATOR])


def _require(differences: Sequence[Difference]) -> None:
    if differences:
        places = ", ".join(difference.place for difference in differences)
        raise SchemaDiffers(
            f"These indexes or validators are missing or differ: {places}. {_NEXT_STEP}"
        )


def _validator_state(options: Document | None, in_force: object, ours: Validator) -> State:
    if options is None:
        return State.MADE
    was_there = options.get("validator") == in_force and is_enforced(ours, options)
    return State.THERE if was_there else State.CHANGED


def _tighten_later(collection: str) -> str:
    return (
        f"{collection}: the validator takes the rows of this release and of the one before. Once "
        "every process runs this release: `flask --app wsgi db init --tighten`."
    )
