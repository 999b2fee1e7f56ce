"""Values of the forms of keys: what was typed, what was made, and why a form is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from app.console.key_rows import key_row, key_title
from app.tenancy.model import ApiKey, Environment, FoundKey, Scope

MOST_NAMED = 3


class Refused(Exception):
    """A form is refused; `problems` are sentences by the id of their input."""

    def __init__(self, status: int, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.status = status
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class CreationForm:
    """The form to create a key, as it was typed; one `form_id` makes at most one key."""

    organization: str = ""
    environment: str = Environment.LIVE.value
    scope: str = Scope.READ_WRITE.value
    label: str = ""
    expires: str = ""
    reason: str = ""
    form_id: str = ""

    def data(self) -> dict[str, str]:
        """Return the values of the inputs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key with its plaintext, the name of its organization, and the key that it replaces."""

    key: ApiKey
    plaintext: str = field(repr=False)
    organization_name: str | None
    replaced: ApiKey | None = None

    def data(self, at: datetime) -> dict[str, Any]:
        """Return what the page shows once."""
        names = {self.key.organization_id: self.organization_name or ""}
        replaced = key_row(self.replaced, names, at) if self.replaced else None
        row = key_row(self.key, names, at)
        return {"key": row, "plaintext": self.plaintext, "replaced": replaced}


def read_creation(values: Mapping[str, str]) -> CreationForm:
    """Return the form that was sent."""
    names = CreationForm.__dataclass_fields__
    return CreationForm(**{name: values.get(name, "").strip()[:200] for name in names})


def describe_revoked(revoked: Sequence[FoundKey]) -> str:
    """Return what was changed, for the note after it."""
    if not revoked:
        return "Nothing to change: these keys were revoked before."
    named = ", ".join(key_title(key) for key in revoked[:MOST_NAMED])
    more = len(revoked) - MOST_NAMED
    keys = "1 key" if len(revoked) == 1 else f"{len(revoked)} keys"
    others = f" and {more} more" if more > 0 else ""
    return (
        f"Revoked {keys}: {named}{others}. Requests with them are answered with 401 within "
        "5 seconds."
    )
