"""The pages for people: content negotiation, headers, files, and what a visit is charged."""

import gzip
import re
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.backends.backend import Backend
from app.http.problems import CODES
from app.reference.assets import MOST_PLAIN_BYTES
from app.schema import ensure_schema
from config.version import VERSION
from tests.callers import error_of
from tests.servers import settings_for

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
PAGES = ("/", "/docs", "/docs/errors", "/docs/errors/conflict")
STRICT = {
    *("default-src 'none'", "style-src 'self'", "img-src 'self'", "form-action 'self'"),
    *("base-uri 'none'", "frame-ancestors 'none'"),
}
WITH_SWAGGER_UI = STRICT - {"img-src 'self'"} | {
    *("img-src 'self' data:", "script-src 'self'", "connect-src 'self'"),
}
_FILE = re.compile(r'(?:href|src)="(/static/[^"]+)"')

Get = Callable[..., TestResponse]


@pytest.fixture
def get(memory_app: Flask) -> Get:
    """A function that requests a page as a browser does."""

    def ask(path: str, accept: str = BROWSER, **headers: str) -> TestResponse:
        sent = {"Accept": accept, **headers} if accept else headers
        return memory_app.test_client().get(path, headers=sent)

    return ask


def files_of(page: TestResponse) -> set[str]:
    return set(_FILE.findall(page.text))


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("text/html;q=0.9,application/json;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("application/json,text/html", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
        ("nonsense", "application/json"),
        ("", "application/json"),
    ],
)
def test_the_start_is_a_page_for_browsers_and_json_for_programs(
    get: Get, accept: str, mimetype: str
) -> None:
    answer = get("/", accept)

    assert (answer.status_code, answer.mimetype) == (200, mimetype)
    assert "Accept" in answer.headers["Vary"].split(", ")


def test_both_forms_of_the_start_have_the_same_links(get: Get) -> None:
    payload, page = get("/", "application/json").get_json(), get("/")

    assert (payload["name"], payload["version"]) == ("Turnledger", VERSION)
    assert payload["status"] == "ready"
    for url in payload["links"].values():
        path = url.removeprefix("http://localhost")
        assert get(path, "*/*").status_code == 200
        assert f'href="{path}"' in page.text
    assert "This server is ready" in page.text


def test_the_start_page_lists_every_operation_and_every_plan(get: Get, memory_app: Flask) -> None:
    page = get("/").text

    rules = [rule.rule for rule in memory_app.url_map.iter_rules() if rule.rule.startswith("/v1")]
    assert len(rules) > 10
    for rule in rules:
        assert re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule) in page
    for plan in get("/v1/billing/plans").get_json()["data"]:
        assert f"<strong>{plan['name']}</strong>" in page
    assert [code for code in CODES if f'href="/docs/errors/{code}"' not in page] == []


def test_the_reference_and_the_start_page_begin_with_turns_and_interactions(get: Get) -> None:
    document = get("/openapi.json").get_json()
    paths = re.findall(r'href="/docs#/(\w+)/', get("/").text)

    assert {tag["name"] for tag in document["tags"][:2]} == {"turns", "interactions"}
    assert [*dict.fromkeys(paths)] == [tag["name"] for tag in document["tags"][:5]]


def test_the_start_page_shows_its_own_address_but_no_unusual_host(memory_app: Flask) -> None:
    def commands(host: str) -> list[str]:
        headers = {"Accept": BROWSER, "Host": host}
        return re.findall(
            r"curl -sSi? [^\s]+", memory_app.test_client().get("/", headers=headers).text
        )

    assert commands("turns.example:8443")[0] == "curl -sS http://turns.example:8443/v1/interactions"
    assert commands("a&b(c")[0] == "curl -sS https://ledger.example/v1/interactions"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_strict_headers(get: Get, path: str) -> None:
    page = get(path)

    allowed = set(page.headers["Content-Security-Policy"].split("; "))
    assert allowed == (WITH_SWAGGER_UI if path == "/docs" else STRICT)
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_inline_and_names_no_other_host(get: Get, path: str) -> None:
    page = get(path).text

    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page) == []
    assert re.findall(r'(?:href|src|action)="(?!/|#)[^"]*"', page) == []
    assert re.findall(r'(?:href|src)="//', page) == []


@pytest.mark.parametrize("path", PAGES)
def test_head_is_a_page_without_its_body(memory_app: Flask, path: str) -> None:
    client = memory_app.test_client()
    headers = {"Accept": BROWSER}

    head, page = client.head(path, headers=headers), client.get(path, headers=headers)

    assert (head.status_code, head.data) == (200, b"")
    for name in ("Content-Type", "Content-Security-Policy", "Cache-Control"):
        assert head.headers[name] == page.headers[name]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_takes_no_parameters(get: Get, path: str) -> None:
    answer = get(f"{path}?url=https://elsewhere.example")

    assert (answer.status_code, error_of(answer)["code"]) == (400, "validation_error")


@pytest.mark.parametrize("path", PAGES)
def test_the_files_of_a_page_are_kept_for_a_year(get: Get, path: str) -> None:
    found = files_of(get(path))

    assert len(found) >= (6 if path == "/docs" else 2)
    for file in found:
        answer = get(file)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.mimetype in {"text/css", "text/javascript", "image/svg+xml"}


def test_a_file_of_another_release_is_not_kept(get: Get) -> None:
    answer = get("/static/0123456789abcdef/ledger.css")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_file_is_smaller_in_gzip(get: Get) -> None:
    files = [file for file in files_of(get("/docs")) if not file.endswith("bundle.js")]
    assert len(files) >= 3
    for file in files:
        plain, packed = get(file), get(file, **{"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.data) == plain.data
        assert len(packed.data) < len(plain.data)


@pytest.mark.parametrize("accepted", [{}, {"Accept-Encoding": "identity"}])
def test_the_largest_file_is_sent_in_gzip_only(get: Get, accepted: dict[str, str]) -> None:
    (file,) = (file for file in files_of(get("/docs")) if file.endswith("bundle.js"))
    answer = get(file, **accepted)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.data) < 512 * 1024
    assert len(gzip.decompress(answer.data)) > MOST_PLAIN_BYTES


def test_a_long_accept_encoding_is_not_read(get: Get) -> None:
    long = f"gzip,{'a;b=c,' * 2_000}"  # 20 ms of parsing, and files are not limited
    answer = get("/static/0123456789abcdef/ledger.css", **{"Accept-Encoding": long})

    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("name", ["nothing.css", "index.html", "..", "reference.toml"])
def test_an_unknown_file_is_not_found(get: Get, name: str) -> None:
    answer = get(f"/static/0123456789abcdef/{name}")

    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_visit_of_the_reference_takes_two_tokens_of_the_address(backend: Backend) -> None:
    app: Flask = create_app(settings_for(ip_limit="4 per 60 seconds"), backend)
    with app.app_context():
        ensure_schema()
    client = app.test_client()

    def visit() -> list[int]:
        page = client.get("/docs")
        paths = [*files_of(page), "/openapi.json"]
        return [page.status_code, *(client.get(path).status_code for path in paths)]

    assert [set(visit()), set(visit())] == [{200}, {200}]
    assert client.get("/docs").status_code == 429
