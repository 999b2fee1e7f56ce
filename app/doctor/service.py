"""Do every check, in the order in which problems are best fixed."""

from collections.abc import Iterator, Mapping

from app.doctor.findings import Check, Finding, contained


class Doctor:
    """Does `checks`, by name; a failed one does not stop the others."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    def examine(self) -> Iterator[Finding]:
        """Yield each finding as soon as it is made."""
        for name, check in self._checks.items():
            yield from contained(name, check)
