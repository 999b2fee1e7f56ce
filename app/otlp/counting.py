"""Count spans and dropped attributes, by names that are bounded and never by values."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Lock

from prometheus_client import Counter as Metric

SPANS = Metric(
    "turnledger_otlp_spans",
    "Spans received by OTLP, by outcome: recorded, duplicate, rejected, or ignored (no model call, "
    "nor an agent without one below it).",
    ["outcome"],
)
ATTRIBUTES = Metric(
    "turnledger_otlp_dropped_attributes",
    "Attributes that were dropped of spans that are turns, by their name; ~others has all names "
    "beyond the first 100 and all that are no names of conventions.",
    ["attribute"],
)
OTHERS = "~others"
MOST_NAMES = 100
# Names outside of these conventions may be a customer's own words.
_NAME = re.compile(
    r"(?:gen_ai|llm|openai|error|server|http|url|network|enduser|user|session|input|output|tag)"
    r"(?:\.[a-z][a-z_]{0,31}|\.N){1,6}",
    re.ASCII,
)
_POSITION = re.compile(r"\.[0-9]{1,6}(?=\.|$)")
_LONGEST = 96
# Names of one request that are looked at.
_MOST_LOOKED_UP = 1_000
_names: set[str] = set()
_lock = Lock()


def count_spans(outcomes: Mapping[str, int]) -> None:
    """Add to the outcomes of spans."""
    # A full disk, or a file of metrics that cannot grow: the count is lost.
    with suppress(OSError, IndexError):
        for outcome, count in outcomes.items():
            SPANS.labels(outcome).inc(count)


def count_dropped(names: Iterable[str]) -> None:
    """Add to the dropped attributes of these names."""
    with suppress(OSError, IndexError):
        shown: Counter[str] = Counter()
        for position, (name, count) in enumerate(Counter(names).items()):
            shown[shown_name(name) if position < _MOST_LOOKED_UP else OTHERS] += count
        for name, count in shown.items():
            ATTRIBUTES.labels(name).inc(count)


def shown_name(name: str) -> str:
    """Return the name as metrics show it: positions as `N`, unknown names as `~others`."""
    shown = _POSITION.sub(".N", name) if len(name) <= _LONGEST else OTHERS
    if not _NAME.fullmatch(shown):
        return OTHERS
    with _lock:
        if shown not in _names and len(_names) >= MOST_NAMES:
            return OTHERS
        _names.add(shown)
    return shown
