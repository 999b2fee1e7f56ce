"""Rows of API keys as the console shows them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.accounts.items import API_KEY_FIELDS, api_key_item
from app.tenancy.directory.model import SOON
from app.tenancy.model import FaultyKey, FoundKey

Row = dict[str, Any]


def key_row(key: FoundKey, names: Mapping[str, str], now: datetime) -> Row:
    """Return a key with its organization and its state at `now`; a damaged one with the reason."""
    owner = {"id": key.organization_id, "name": names.get(key.organization_id)}
    state = {"organization": owner, "state": key_state(key, now)}
    if isinstance(key, FaultyKey):
        return dict.fromkeys(API_KEY_FIELDS) | {"id": key.id, **state, "reason": key.reason}
    return {**api_key_item(key), **state, "reason": None}


def key_state(key: FoundKey, now: datetime) -> str:
    """Return `active`, `expires_soon`, `expired`, `revoked` or `damaged`."""
    if isinstance(key, FaultyKey):
        return "damaged"
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None or key.expires_at > now + SOON:
        return "active"
    return "expires_soon" if key.expires_at > now else "expired"


def key_title(key: FoundKey) -> str:
    """Return a key in words: `ci (uniq_live_Ab12...)`, or what there is of that."""
    if isinstance(key, FaultyKey):
        return key.id
    return f"{key.label} ({key.hint})" if key.label else key.hint
