"""Origins that pages may have: exactly as browsers write them."""

import pytest

from config.origins import parse_origins


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("*", ("*",)),
        ("https://app.example", ("https://app.example",)),
        (
            "https://a.example , http://localhost:3000",
            ("https://a.example", "http://localhost:3000"),
        ),
        ("http://127.0.0.1:8080", ("http://127.0.0.1:8080",)),
        ("https://[2001:db8::1]:8443", ("https://[2001:db8::1]:8443",)),
        ("https://xn--bcher-kva.example", ("https://xn--bcher-kva.example",)),
        (
            "https://a.example:80,http://a.example:443",
            ("https://a.example:80", "http://a.example:443"),
        ),
        ("http://a:8080", ("http://a:8080",)),
    ],
)
def test_origins_as_browsers_send_them_are_accepted(text: str, origins: tuple[str, ...]) -> None:
    assert parse_origins(text) == origins


@pytest.mark.parametrize(
    "text",
    [
        *("null", "app.example", "*.example", "https://*.example", "*,https://app.example"),
        *("https://app.example/", "https://app.example/path", "https://app.example?a=1"),
        *("https://App.example", "HTTPS://app.example", "https://bücher.example"),
        *("https://app.example:443", "http://app.example:80", "https://app.example:"),
        *("https://app.example:0", "https://app.example:123456", "https://user@app.example"),
        *("https://a.example,", ",", "https://a.example https://b.example", "ftp://a.example"),
        *("https://", "https://-a", "https://a.example\nhttps://b.example"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_with_its_fix(text: str) -> None:
    with pytest.raises(ValueError, match=r"^set \* or origins like ") as refused:
        parse_origins(text)
    assert text not in str(refused.value) or text in {",", "https://", "app.example"}


def test_a_long_list_is_read_in_a_short_time() -> None:
    many = ",".join(f"https://{'a.' * 200}example-{number}.test" for number in range(1_000))
    assert len(parse_origins(many)) == 1_000
    with pytest.raises(ValueError, match="set"):
        parse_origins("https://" + "a." * 100_000)
