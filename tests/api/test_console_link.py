"""The start page leads to the console if there is one."""

import pytest

from app import create_app
from app.backends import memory
from tests.servers import settings_for

PAGE = {"Accept": "text/html"}


@pytest.mark.parametrize("token", ["", "operator-token-of-this-test-0123456789"])
def test_the_start_page_names_the_console_only_if_it_is_on(token: str) -> None:
    app = create_app(settings_for(operator_token=token), memory.connect())
    page = app.test_client().get("/", headers=PAGE).text
    assert ('href="/console"' in page) is bool(token)
