"""The page of keys: its list, and the forms to find a leaked key, revoke, create and rotate."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from ulid import ULID
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from app.console.frame import Page, blueprint, console_page, go, render
from app.console.key_form_values import (
    CreationForm,
    MadeKey,
    Refused,
    describe_revoked,
    read_creation,
)
from app.console.key_forms import OVERLAPS, KeyForms
from app.console.keys_data import KeyChoice, KeysData, leak_query, read_choice
from app.console.ledger_time import now
from app.console.redaction import without_keys
from app.http.application import provided
from app.tenancy.directory.service import Directory

PATH = "/console/keys"
Fields = MultiDict[str, str]


@console_page("/keys")
def keys() -> Page | Response:
    """Show the keys of all organizations, and the forms."""
    return without_keys() or _page(read_choice(request.args))


@blueprint.post(PATH)
def change_keys() -> Response:
    """Do what one of the forms of the page asks for.

    All of them are sent to the page's own address, so that a reload, and the links of an answer
    with a new key, lead to the page.
    """
    answer = _ANSWERS.get(request.form.get("form", ""))
    if answer is None:
        raise NotFound
    return answer(request.form)


def _find_leaked(fields: Fields) -> Response:
    """Search a text for keys and drop it: the answer is an address with ids."""
    try:
        leak = KeyForms.provided().find_leaked(fields.get("text", ""))
    except Refused as refused:
        return _refuse(refused)
    return go(f"{PATH}?{urlencode(leak_query(leak))}#revoke")


def _revoke(fields: Fields) -> Response:
    try:
        revoked = KeyForms.provided().revoke(fields.getlist("key_id"), fields.get("reason", ""))
    except Refused as refused:
        return _refuse(refused, read_choice(fields), reason=fields.get("reason", ""))
    return go(PATH, describe_revoked(revoked))


def _create(fields: Fields) -> Response:
    form = read_creation(fields)
    try:
        made = KeyForms.provided().create(form)
    except Refused as refused:
        return _refuse(refused, creation=form)
    return _show(made, "created")


def _rotate(fields: Fields) -> Response:
    key_id, overlap = fields.get("rotate", ""), fields.get("overlap", "")
    opened_at, reason = fields.get("opened_at", ""), fields.get("reason", "")
    try:
        made = KeyForms.provided().rotate(key_id, overlap, opened_at=opened_at, reason=reason)
    except Refused as refused:
        return _refuse(refused, KeyChoice(rotate_id=key_id), overlap=overlap, reason=reason)
    return _show(made, "rotated")


_ANSWERS: Mapping[str, Callable[[Fields], Response]] = {
    "leak": _find_leaked,
    "revoke": _revoke,
    "create": _create,
    "rotate": _rotate,
}


def _show(made: MadeKey, change: str) -> Response:
    """Show a new key with its plaintext: this answer is the only one that has it."""
    return render(_page(KeyChoice(), made={**made.data(now()), "change": change}))


def _refuse(refused: Refused, choice: KeyChoice | None = None, **values: Any) -> Response:
    values["problems"] = refused.problems
    return render(_page(choice or KeyChoice(), status=refused.status, **values))


def _page(choice: KeyChoice, *, status: int = 200, **values: Any) -> Page:
    data = KeysData(provided(Directory), now).compute(choice)
    creation = values.pop("creation", None) or CreationForm(
        organization=request.args.get("organization", ""), form_id=str(ULID())
    )
    forms = {
        "problems": {},
        "made": None,
        "reason": "",
        "overlap": "24",
        "overlaps": {name: text for name, (text, _) in OVERLAPS.items()},
        "creation": creation.data(),
    }
    return Page("keys.html", {**data, **forms, **values}, status=status)
