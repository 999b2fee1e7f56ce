"""Errors of this room: plain exceptions whose text is a sentence for clients and operators."""

from app.tenancy.model import Environment, Scope

_MOST_CANDIDATES = 5


class TenancyError(Exception):
    """An organization or an API key does not allow what was asked for."""


class AuthenticationFailed(TenancyError):
    """The request carries no valid credential."""


class CredentialMissing(AuthenticationFailed):
    """There is no bearer credential."""

    def __init__(self) -> None:
        super().__init__("Send an API key in the header `Authorization: Bearer <key>`.")


class KeyUnknown(AuthenticationFailed):
    """The credential is malformed, or no key with it exists."""

    def __init__(self) -> None:
        super().__init__("This is not a valid API key. Check that it is complete.")


class KeyRevoked(AuthenticationFailed):
    """The key was revoked."""

    def __init__(self) -> None:
        super().__init__("This API key is revoked. Use another key.")


class KeyExpired(AuthenticationFailed):
    """The key has expired."""

    def __init__(self) -> None:
        super().__init__("This API key has expired. Use another key.")


class OperatorTokenMissing(AuthenticationFailed):
    """The operator token is missing or wrong."""

    def __init__(self) -> None:
        super().__init__("Send the operator token in the header `Authorization: Bearer <token>`.")


class OrganizationSuspended(TenancyError):
    """The organization of a valid key is suspended."""

    def __init__(self) -> None:
        super().__init__("The organization is suspended; ask its operator.")


class ScopeMissing(TenancyError):
    """A valid key lacks the scope `required`."""

    def __init__(self, required: Scope) -> None:
        super().__init__(f"This needs a key with the scope {required.value}.")
        self.required = required


class NotFound(TenancyError):
    """There is no such object, or it belongs to another account."""


class KeyNotFound(NotFound):
    """There is no such API key in this account."""

    def __init__(self) -> None:
        super().__init__("There is no such API key.")


class OrganizationNotFound(NotFound):
    """There is no organization with the id `organization_id`."""

    def __init__(self, organization_id: str) -> None:
        super().__init__(f"There is no organization '{organization_id}'.")
        self.organization_id = organization_id


class AmbiguousName(TenancyError):
    """Several organizations have the name that should say which one is meant."""

    def __init__(self, name: str, organization_ids: list[str]) -> None:
        count, listed = len(organization_ids), _listed(organization_ids)
        super().__init__(f"{count} organizations are named '{name}': {listed}. Give the id of one.")
        self.organization_ids = organization_ids


class AmbiguousHint(TenancyError):
    """Several keys begin as the hint says; `candidates` are ids of keys and organizations."""

    def __init__(self, hint: str, candidates: list[tuple[str, str]]) -> None:
        listed = _listed([f"{key_id} of {organization}" for key_id, organization in candidates])
        super().__init__(f"{len(candidates)} keys begin with {hint}: {listed}. Give the id of one.")
        self.candidates = candidates


class KeyTextIncomplete(TenancyError):
    """A text begins as an API key, but is neither a whole one nor a hint."""

    def __init__(self, hint: str) -> None:
        super().__init__(
            f"The text that begins with {hint} is not a whole API key: a part is missing, or its "
            f"check digits are wrong. Give the whole key, its id, or its hint {hint}"
        )


class KeyNotReplaceable(TenancyError):
    """Only an active key can be rotated; `reason` ends the sentence about it."""

    def __init__(self, key_id: str, reason: str) -> None:
        super().__init__(
            f"The key {key_id} {reason}, so it is not rotated. Make another one with "
            "`flask key create`."
        )
        self.key_id = key_id
        self.reason = reason


class ChangedMeanwhile(TenancyError):
    """Another process changed the same fields between the read and the write of a change."""

    def __init__(self, organization_id: str) -> None:
        super().__init__(
            f"The organization '{organization_id}' was changed by somebody else at the same "
            "moment, and this change was not made. Look at it, and repeat the change."
        )
        self.organization_id = organization_id


class KeyChangedMeanwhile(TenancyError):
    """Another process changed a key between the read and the write of a change."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"The key {key_id} was rotated or revoked by somebody else at the same moment, so it "
            "is not rotated now. Look at it, and rotate it again if that is still needed."
        )
        self.key_id = key_id


class UndecidedLimits(TenancyError):
    """An organization has own limits, `names`, that a change of plan neither names nor drops."""

    def __init__(self, organization_id: str, names: list[str]) -> None:
        super().__init__(
            f"The organization '{organization_id}' has limits of its own that this command does "
            f"not name: {', '.join(names)}. Add --keep-limits to keep them, or --reset-limits to "
            "use those of the plan."
        )
        self.organization_id = organization_id
        self.names = names


class KeyLimitReached(TenancyError):
    """The account holds `limit` active keys of one environment."""

    def __init__(self, limit: int, environment: Environment) -> None:
        super().__init__(
            f"The account already holds {limit} {environment.value} keys. "
            "Revoke one that is not used any more."
        )
        self.limit = limit
        self.environment = environment


class KeyCollision(TenancyError):
    """A concurrent request has just stored a key with the same ids; a repetition gets others."""

    def __init__(self) -> None:
        super().__init__(
            "A concurrent request is making the same key, perhaps with the same Idempotency-Key. "
            "Repeat the request."
        )


class IdempotencyConflict(TenancyError):
    """An idempotency key cannot be used for this request.

    `label` names the reason for programs, and `reason` ends the sentence about it.
    """

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(
            f"This Idempotency-Key {reason}. Send a new Idempotency-Key to make another key."
        )
        self.label = label
        self.reason = reason


def _listed(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - _MOST_CANDIDATES
    shown = ", ".join(names[:_MOST_CANDIDATES])
    return f"{shown} and {more} more" if more > 0 else shown
