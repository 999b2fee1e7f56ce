"""The columns of an item in a table: files of exports have one for each field.

A field within an object is named with a dot (`usage.input_tokens`), as `flask turns import` reads
it.
"""

from collections.abc import Sequence
from typing import Any

from app.interactions.model import CONTENT, PARTS, Item

# The fields of an item in its order, each with the fields within it.
_LAYOUT: Sequence[tuple[str, Sequence[str]]] = [
    (name, tuple(PARTS.get(name, ()))) for name in ("interaction_id", "created_at", *CONTENT)
]
COLUMNS: Sequence[str] = [
    f"{name}.{part}" if part else name for name, parts in _LAYOUT for part in parts or ("",)
]


def cells_of(item: Item) -> list[Any]:
    """Return the values of an item in the order of `COLUMNS`; None for the fields of a null."""
    cells: list[Any] = []
    for name, parts in _LAYOUT:
        value = item[name]
        if not parts:
            cells.append(value)
        elif value is None:
            cells += [None] * len(parts)
        else:
            cells += map(value.__getitem__, parts)
    return cells
