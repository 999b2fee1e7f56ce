"""The little markup of our own texts."""

import pytest

from app.reference.markup import to_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain & <b>", "plain &amp; &lt;b&gt;"),
        ("`limit`", "<code>limit</code>"),
        ("`<script>`", "<code>&lt;script&gt;</code>"),
        ("**No**, `a`", "<strong>No</strong>, <code>a</code>"),
        ("`conflict`", '<a href="/docs/errors/conflict"><code>conflict</code></a>'),
        ("a ` alone, and ** too", "a ` alone, and ** too"),
    ],
)
def test_only_code_and_strong_words_become_elements(text: str, html: str) -> None:
    assert str(to_html(text)) == html
