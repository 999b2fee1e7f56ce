"""The WSGI environment of a request through Granian."""

import os

import pytest

from app.serving.environ import environ_of
from tests.unit.serving.fakes import Pairs, Scope


def test_a_repeated_header_is_joined_in_order() -> None:
    headers = Pairs([("accept", "a"), ("x-one", "1"), ("accept", "b")])
    assert environ_of(Scope(headers=headers))["HTTP_ACCEPT"] == "a,b"


@pytest.mark.parametrize("name", ["x_forwarded_for", "script_name", "content_length", "proxy"])
def test_a_header_name_that_could_imitate_another_is_left_out(name: str) -> None:
    plain = environ_of(Scope())
    assert environ_of(Scope(headers=Pairs([(name, "x")]))) == plain


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("content-length", "CONTENT_LENGTH"),
        ("content-type", "CONTENT_TYPE"),
        ("x-forwarded-for", "HTTP_X_FORWARDED_FOR"),
        ("script-name", "HTTP_SCRIPT_NAME"),
    ],
)
def test_a_header_has_its_wsgi_name(name: str, variable: str) -> None:
    assert environ_of(Scope(headers=Pairs([(name, "7")])))[variable] == "7"


def test_a_path_outside_ascii_is_its_bytes_as_latin_1() -> None:
    environ = environ_of(Scope(path="/ü", query_string="q=é"))
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/ü"
    assert environ["QUERY_STRING"].encode("latin-1").decode() == "q=é"


@pytest.mark.parametrize(
    ("client", "address"),
    [("192.0.2.1:80", "192.0.2.1"), ("[2001:db8::1]:80", "2001:db8::1"), ("unix:", "unix")],
)
def test_the_address_of_the_client_has_no_port_and_no_brackets(client: str, address: str) -> None:
    assert environ_of(Scope(client=client))["REMOTE_ADDR"] == address


def test_version_scheme_and_method_come_from_the_request() -> None:
    environ = environ_of(Scope(method="PUT", http_version="1", scheme="https"))
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["REQUEST_METHOD"] == "PUT"
    assert environ["SCRIPT_NAME"] == ""


def test_it_contains_no_environment_variable_of_the_process() -> None:
    assert not set(environ_of(Scope())) & set(os.environ)
