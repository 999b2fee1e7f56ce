"""Create the database's indexes and validators; `flask db init` does it at each release."""

from collections.abc import Iterator, Sequence

from app.audit.store import COLLECTION as AUDIT
from app.audit.store import INDEXES as AUDIT_INDEXES
from app.audit.store import validator as audit_validator
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
from app.backends.retired_indexes import retire_indexes
from app.backends.validators import (
    IndexBuildInProgress,
    Validator,
    ensure_validator,
    is_enforced,
)
from app.clients import MaintenanceDatabase, RequestDatabase
from app.http.application import provided
from app.interactions.store import COLLECTION as INTERACTIONS
from app.interactions.store import INDEXES, RETIRED_INDEXES
from app.interactions.validator import row_validator
from app.request_log.store import COLLECTION as REFUSED_REQUESTS
from app.request_log.store import INDEXES as REQUEST_LOG_INDEXES
from app.tenancy.store import KEY_INDEXES, KEYS_COLLECTION
from app.usage.store import COLLECTION as USAGE_DAYS
from app.usage.store import DAY_INDEXES, PERIOD_INDEXES, PERIODS

_NEXT_STEP = "Run `flask --app wsgi db init`."


class SchemaDiffers(Exception):
    """Indexes or validators are not as defined; the text says which, and the next step."""


def definitions() -> tuple[Definition, ...]:
    """Return the definition of each collection that has indexes or a validator."""
    return (
        Definition(KEYS_COLLECTION, KEY_INDEXES),
        Definition(INTERACTIONS, INDEXES, row_validator(), RETIRED_INDEXES),
        Definition(USAGE_DAYS, DAY_INDEXES),
        Definition(PERIODS, PERIOD_INDEXES),
        Definition(AUDIT, AUDIT_INDEXES, audit_validator()),
        Definition(REFUSED_REQUESTS, REQUEST_LOG_INDEXES),
    )


class DatabaseSchema:
    """Compares the database with the definitions of this release, and changes it to match.

    The first client compares; the second, with its longer time-outs, changes.
    """

    def __init__(
        self, database: RequestDatabase, maintenance_database: MaintenanceDatabase
    ) -> None:
        self._database = database
        self._maintenance_database = maintenance_database
        self._definitions = definitions()

    def find_differences(self) -> list[Difference]:
        """Return every index and validator that is missing or differs from its definition."""
        return find_differences(self._database, self._definitions)

    def require_indexes(self) -> None:
        """Raise SchemaDiffers with the next step while indexes differ.

        The validator may differ: reading does not need it.
        """
        _require([each for each in self.find_differences() if each.name != VALIDATOR])

    def ensure(
        self, report: Report = lambda line: None, *, tighten: bool = False
    ) -> Iterator[Outcome]:
        """Create what is missing and change what differs, one after the other; idempotent.

        `report` receives a line a second while an index is built. A validator still accepts rows of
        the previous release, and its indexes stay, unless `tighten` is set.
        """
        database = self._maintenance_database
        for definition in self._definitions:
            if definition.validator is not None and is_real(database):
                yield self._ensure_validator(definition, tighten=tighten)
            yield from ensure_indexes(database, definition, report)
            yield from retire_indexes(database, definition, drop=tighten)

    def _ensure_validator(self, definition: Definition, *, tighten: bool) -> Outcome:
        database, collection = self._maintenance_database, definition.collection
        ours = definition.validator or {}
        options = collection_options(database, [definition]).get(collection)
        try:
            in_force = ensure_validator(database, collection, ours, options, tighten=tighten)
        except IndexBuildInProgress:
            return Outcome(collection, VALIDATOR, State.BLOCKED, _repeat_later(collection))
        return Outcome(
            collection,
            VALIDATOR,
            _validator_state(options, in_force, ours),
            None if in_force == ours else _tighten_later(collection),
        )


def ensure_schema() -> None:
    """Change the database to match the definitions; raise SchemaDiffers if blocked."""
    for outcome in provided(DatabaseSchema).ensure():
        if outcome.state is State.BLOCKED:
            raise SchemaDiffers(str(outcome.next_step))


def require_schema() -> None:
    """Raise SchemaDiffers with the next step if anything differs."""
    _require(provided(DatabaseSchema).find_differences())


def require_indexes() -> None:
    """Raise SchemaDiffers while indexes differ; see `DatabaseSchema.require_indexes`."""
    provided(DatabaseSchema).require_indexes()


def _require(differences: Sequence[Difference]) -> None:
    if differences:
        names = ", ".join(difference.path for difference in differences)
        raise SchemaDiffers(
            f"These indexes or validators are missing or differ: {names}. {_NEXT_STEP}"
        )


def _validator_state(options: Document | None, in_force: object, ours: Validator) -> State:
    if options is None:
        return State.CREATED
    was_same = options.get("validator") == in_force and is_enforced(ours, options)
    return State.UNCHANGED if was_same else State.CHANGED


def _repeat_later(collection: str) -> str:
    return (
        f"{collection}: the validator was not changed, because an index is being built. Wait until "
        "that has ended and run `flask --app wsgi db init` again."
    )


def _tighten_later(collection: str) -> str:
    return (
        f"{collection}: the validator accepts the rows of this release and of the previous one. "
        "Once every process runs this release: `flask --app wsgi db init --tighten`."
    )
