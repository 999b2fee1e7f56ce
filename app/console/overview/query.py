"""The query of the overview: its range, and the share from which an organization is near."""

from dataclasses import dataclass
from urllib.parse import urlencode

from app.console.frame import REFRESH_S
from app.http.fields import Choice, StrictSchema
from app.http.query import load_query


@dataclass(frozen=True, slots=True)
class Range:
    """`steps_count` steps of `step_s` seconds; pages write `text` in short, and `words`."""

    steps_count: int
    step_s: int
    text: str
    words: str


RANGES = {
    "1h": Range(60, 60, "1 h", "the last hour"),
    "24h": Range(96, 900, "24 h", "the last 24 hours"),
    "7d": Range(168, 3_600, "7 d", "the last 7 days"),
}
THRESHOLDS = ("50", "80", "95")


class OverviewQuerySchema(StrictSchema):
    """The query of the overview."""

    range = Choice(RANGES, load_default="1h")
    over = Choice(THRESHOLDS, load_default="80")
    refresh = Choice((str(REFRESH_S),))


@dataclass(frozen=True, slots=True)
class OverviewQuery:
    """A range by its name, and a threshold in per cent."""

    range_name: str
    threshold: int

    @classmethod
    def load(cls) -> "OverviewQuery":
        """Read the query of this request; InvalidFields names what is wrong."""
        values = load_query(OverviewQuerySchema())
        return cls(values["range"], int(values["over"]))

    @property
    def range(self) -> Range:
        """The range."""
        return RANGES[self.range_name]

    def range_links(self) -> dict[str, str]:
        """Return the address of each range, by its text."""
        return {
            each.text: self._address(name, str(self.threshold)) for name, each in RANGES.items()
        }

    def threshold_links(self) -> dict[str, str]:
        """Return the address of each threshold, by its text."""
        return {f"{each} %": self._address(self.range_name, each) for each in THRESHOLDS}

    def _address(self, range_name: str, threshold: str) -> str:
        return f"/console?{urlencode({'range': range_name, 'over': threshold})}"
