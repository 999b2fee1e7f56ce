"""The scheme comes from trusted proxies, not from clients."""

from typing import Any

import pytest

from app.http.forwarded import ForwardedScheme


def scheme_behind(hops_count: int, header: str | None) -> str:
    seen = []

    def app(environ: dict[str, Any], _start: Any) -> list[bytes]:
        seen.append(environ["wsgi.url_scheme"])
        return []

    headers = {} if header is None else {"HTTP_X_FORWARDED_PROTO": header}
    list(ForwardedScheme(app, hops_count)({"wsgi.url_scheme": "http", **headers}, None))
    return str(seen[0])


@pytest.mark.parametrize(
    ("hops_count", "header", "scheme"),
    [
        (1, "https", "https"),
        (1, "http, https", "https"),
        (1, "https, http", "http"),  # what a client claims in front of the proxy's value
        (2, "https", "https"),  # the outer proxy set it, the inner one passed it on
        (2, "https, http", "https"),
        (2, "https,http", "https"),
        (2, "https, http, http", "http"),
        (2, "http, https, http", "https"),
        (3, "https, http", "https"),
        (2, "HTTPS ", "https"),
        (2, None, "http"),
        (2, "", "http"),
        (2, "javascript", "http"),
        (2, "javascript, https", "http"),
        (2, ",", "http"),
    ],
)
def test_the_outermost_trusted_value_counts(
    hops_count: int, header: str | None, scheme: str
) -> None:
    assert scheme_behind(hops_count, header) == scheme
