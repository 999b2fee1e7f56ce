"""Wrap clients of `openai` and `anthropic`.

`wrap` copies the client and sets three attributes on the copy: `request`, which every call passes,
and `copy` and `with_options`, so that derived clients stay wrapped. No class is patched. Retries of
the client lie below, so they are one call.

Read of a request: path, `model`, `stream`, `stream_options`, `background`. Read of an answer:
model, usage, the reason of its end. Texts are never read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._core.identity import Identity
from ..errors import ConfigurationError
from .calls import Wrapping, async_request, sync_request
from .providers import FAMILIES, names_of, provider_of

if TYPE_CHECKING:
    from .._sync import Ledger

C = TypeVar("C")
_MARK = "_turnledger"


def wrap(
    client: C,
    ledger: Ledger,
    *,
    provider: str | None,
    include_usage: bool | str,
    reserve: bool,
    who: Identity,
) -> C:
    """Return a wrapped copy of `client`; the client itself if `ledger` has wrapped it already.

    Raises as `Ledger.wrap`.
    """
    family = _family(client)
    who.require_texts()
    marked: Wrapping | None = getattr(client, _MARK, None)
    if marked is not None:
        if marked.ledger is ledger:
            return client
        raise ConfigurationError("The client is wrapped by another ledger: wrap the bare client.")
    wrapping = Wrapping(
        ledger=ledger,
        provider=provider or provider_of(client, family),
        include_usage=include_usage,
        reserve=reserve,
        who=who,
        is_async=any(name.startswith("Async") for name in names_of(client)),
    )
    copied: C = client.copy()  # type: ignore[attr-defined]
    _dress(copied, wrapping)
    return copied


def _dress(client: Any, wrapping: Wrapping) -> None:
    request, copy = client.request, client.copy
    measure = async_request if wrapping.is_async else sync_request
    client.request = measure(client, request, wrapping)

    def copy_wrapped(**changes: Any) -> Any:
        copied = copy(**changes)
        _dress(copied, wrapping)
        return copied

    client.copy = client.with_options = copy_wrapped
    setattr(client, _MARK, wrapping)


def _family(client: object) -> str:
    for kind in type(client).__mro__:
        package = kind.__module__.partition(".")[0]
        is_client = "OpenAI" in kind.__name__ or "Anthropic" in kind.__name__
        if package in FAMILIES and is_client and hasattr(client, "copy"):
            return package
    raise TypeError(
        f"{type(client).__name__} is no client of openai or anthropic. For other clients use "
        "turn.answered(response) or turn.usage(…)."
    )
