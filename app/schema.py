"""The database's indexes and validators: made by a command at each release, never at import."""

from collections.abc import Iterator, Sequence

from app.backends.definitions import (
    VALIDATOR,
    Definition,
    Difference,
    Document,
    collection_options,
    find_differences,
    is_real,
)
from app.backends.indexes import Outcome, Report, State, ensure_indexes
from app.backends.validators import Validator, ensure_validator, is_enforced
from app.clients import MaintenanceDatabase, RequestDatabase
from app.http.problems import Problem
from app.http.provide import provided
from app.interactions.store import COLLECTION as INTERACTIONS
from app.interactions.store import INDEXES
from app.interactions.validator import row_validator
from app.tenancy.store import KEY_INDEXES, KEYS_COLLECTION
from app.usage.store import COLLECTION as USAGE_DAYS
from app.usage.store import DAY_INDEXES, PERIOD_INDEXES, PERIODS

_NEXT_STEP = "Run `flask --app wsgi db init`."


def definitions() -> tuple[Definition, ...]:
    """Return the definition of every collection that has indexes or a validator."""
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

    def __init__(
        self, database: RequestDatabase, maintenance_database: MaintenanceDatabase
    ) -> None:
        self._database = database
        self._maintenance_database = maintenance_database
        self._definitions = definitions()

    def find_differences(self) -> list[Difference]:
        """Return every index and validator that is missing or not as defined."""
        return find_differences(self._database, self._definitions)

    def require_indexes(self) -> None:
        """Raise a `service_unavailable` problem with the next step while indexes differ.

        The validator has no say in reading.
        """
        _require([each for each in self.find_differences() if each.name != VALIDATOR])

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
    """Make the database follow the definitions; a `service_unavailable` problem if it cannot."""
    for outcome in provided(DatabaseSchema).ensure():
        if outcome.state is State.BLOCKED:
            raise Problem("service_unavailable", str(outcome.next_step))


def require_schema() -> None:
    """Raise a `service_unavailable` problem with the next step unless all is as defined."""
    _require(provided(DatabaseSchema).find_differences())


def require_indexes() -> None:
    """Raise a problem while indexes differ; see `DatabaseSchema.require_indexes`."""
    provided(DatabaseSchema).require_indexes()


def _require(differences: Sequence[Difference]) -> None:
    if differences:
        places = ", ".join(difference.place for difference in differences)
        raise Problem(
            "service_unavailable",
            f"These indexes or validators are missing or differ: {places}. {_NEXT_STEP}",
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
