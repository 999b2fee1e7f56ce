"""Keep whole API keys out of addresses, which browsers remember."""

from urllib.parse import urlencode

from flask import Response, request

from app.console.frame import go
from app.tenancy.key_format import redact


def without_keys() -> Response | None:
    """Lead to this page with keys in its query cut to their first characters; None without any."""
    query = request.args.to_dict()
    cut = {name: redact(value) for name, value in query.items()}
    return None if cut == query else go(f"{request.path}?{urlencode(cut)}")
