"""Authors name a user of the operating system or a key, and give a bounded reason."""

import os
import pwd

import pytest

from app.audit.model import MAX_REASON_LENGTH, Author
from app.http.request_errors import InvalidFields


def test_a_command_is_of_the_user_of_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody else")

    name = pwd.getpwuid(os.getuid()).pw_name

    assert Author.of_command("a reason") == Author(f"command:{name}", "a reason")


def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", find_none)

    assert Author.of_command().who == f"command:uid-{os.getuid()}"


def test_a_request_is_of_its_key() -> None:
    assert Author.of_key("key_1") == Author("key:key_1", None)


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\x1b[31m", "x" * 201])
def test_a_reason_that_cannot_be_printed_is_refused(reason: str) -> None:
    with pytest.raises(InvalidFields, match=f"1 to {MAX_REASON_LENGTH} printable characters"):
        Author.of_command(reason)
