"""Validators of collections: widened at a release, tightened once all processes run it.

While a release rolls out, processes of two releases write to one collection, so the database must
take what either of them writes: `{"$or": [<this release's>, <the previous one's>]}`. Validators are
plain documents, compared whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.database import Database
from pymongo.errors import CollectionInvalid

Document = dict[str, Any]
Validator = Mapping[str, Any]

# Checks inserts, and updates of rows that are valid. A row that an earlier rule accepted can still
# be archived, and so expire.
_LEVEL: Document = {"validationLevel": "moderate", "validationAction": "error"}
# What the server means where it stores nothing.
_DEFAULT_LEVEL: Document = {"validationLevel": "strict", "validationAction": "error"}


def is_enforced(ours: Validator, options: Mapping[str, Any]) -> bool:
    """Return True if a collection with these options takes all that `ours` accepts, and checks it.

    `ours` may stand alone or in any place of an `$or`: of two releases that run at once the older
    one must find the validator sound that the newer one has made.
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
    """Make or change the validator of a collection with these options (None: it is not there).

    Returns the validator that is then in force. `tighten` sets `ours` alone.
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
        database.command({"collMod": collection, "validator": wanted, **_LEVEL})
    return wanted


def widened(ours: Validator, stored: Validator) -> Validator:
    """The validator that takes what `ours` accepts and what the release before accepts.

    That release's is `stored`, or its first part if `stored` was widened already. `ours` comes
    first, since most rows then need one look. Without a stored validator it is `ours` alone.
    """
    first = (_branches(stored) or [stored])[0]
    if not stored:
        return ours
    return stored if first == ours else {"$or": [ours, first]}


def _branches(validator: Validator) -> Sequence[Validator]:
    return validator["$or"] if validator.keys() == {"$or"} else ()


def _has_level(options: Mapping[str, Any]) -> bool:
    return {name: options.get(name, _DEFAULT_LEVEL[name]) for name in _LEVEL} == _LEVEL
