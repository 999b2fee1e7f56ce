"""An application that tells which worker it runs in, once the whole request has come."""

import os
from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    told = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(told)))])
    return [told]
