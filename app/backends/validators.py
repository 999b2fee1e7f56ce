"""Widen a collection's validator at a release, and tighten it once all processes run it.

During a roll-out, processes of two releases write to one collection. The database must accept the
rows of both: `{"$or": [<this release's>, <the previous one's>]}`. Validators are plain documents
and compared as a whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.database import Database
from pymongo.errors import CollectionInvalid, OperationFailure

Document = dict[str, Any]
Validator = Mapping[str, Any]

_INDEX_BUILD = 12587
# Checks inserts, and updates of valid rows. A row that only an earlier validator accepted can
# still be archived, and so expire.
_LEVEL: Document = {"validationLevel": "moderate", "validationAction": "error"}
# The server's defaults, which it does not store.
_DEFAULT_LEVEL: Document = {"validationLevel": "strict", "validationAction": "error"}


class IndexBuildInProgress(Exception):
    """The validator cannot be changed before an index of the collection is built."""


def is_enforced(ours: Validator, options: Mapping[str, Any]) -> bool:
    """Return True if a collection with these options enforces `ours`, alone or widened.

    `ours` may stand alone or anywhere in an `$or`: during a roll-out the older release must accept
    the validator that the newer one has set. The validation level must be ours.
    """
    stored = options.get("validator", {})
    return _has_level(options) and (stored == ours or ours in _branches(stored))


def ensure_validator(
    database: Database[Document],
    collection: str,
    ours: Validator,
    options: Mapping[str, Any] | None,
    *,
    tighten: bool = False,
) -> Validator:
    """Create or change the validator of a collection with these options (None: no collection).

    Returns the validator that is then in force. `tighten` sets `ours` alone. Raises
    IndexBuildInProgress.
    """
    if options is None:
        try:
            database.create_collection(collection, validator=ours, **_LEVEL)
        except CollectionInvalid:  # another process was faster
            options = {}
        else:
            return ours
    wanted = ours if tighten else widened(ours, options.get("validator", {}))
    if options.get("validator") != wanted or not _has_level(options):
        try:
            database.command({"collMod": collection, "validator": wanted, **_LEVEL})
        except OperationFailure as error:
            if error.code == _INDEX_BUILD:
                raise IndexBuildInProgress from None
            raise
    return wanted


def widened(ours: Validator, stored: Validator) -> Validator:
    """Return the validator that accepts the rows of this release and of the previous one.

    The previous release's is `stored`, or its first part if `stored` was widened already. `ours`
    comes first, because most rows then need one check. Without a stored one it is `ours` alone.
    """
    first = (_branches(stored) or [stored])[0]
    if not stored:
        return ours
    return stored if first == ours else {"$or": [ours, first]}


def _branches(validator: Validator) -> Sequence[Validator]:
    return validator["$or"] if validator.keys() == {"$or"} else ()


def _has_level(options: Mapping[str, Any]) -> bool:
    return {name: options.get(name, _DEFAULT_LEVEL[name]) for name in _LEVEL} == _LEVEL
