"""Let pages of other origins call the API: CORS, https://fetch.spec.whatwg.org/#http-cors-protocol.

Off without `CORS_ALLOWED_ORIGINS`. Every answer to an allowed origin has the headers, errors too:
otherwise a page could not read why its request was refused. With `*` every answer has them, so a
cache may give a page what it keeps of a request without an origin. Credentials of the browser
(cookies, certificates) are never allowed; a page sends an API key itself.

`app.http.application` answers preflights like every OPTIONS; here they get their headers.
"""

from flask import Flask, Response

from app.http.current import current_request
from config.origins import ANY_ORIGIN

EXPOSED = (
    *("ETag", "Retry-After", "WWW-Authenticate", "X-Export-Token", "X-Request-Id"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    *("X-Quota-Turns-Used", "X-Quota-Turns-Limit", "X-Quota-Active-Relationships-Used"),
    *("X-Quota-Active-Relationships-Limit", "X-Quota-Reset"),
)
REQUEST_HEADERS = (
    *("Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key", "If-None-Match"),
    *("X-Export-Token", "X-Request-Id"),
)
# Browsers keep a preflight's answer no longer than two hours.
_KEPT_S = 7_200


def init_app(app: Flask, origins: tuple[str, ...]) -> None:
    """Add the headers for these origins, or for each if they are `*`.

    Call it before other hooks are registered, so that its hook sees the final answer.
    """
    if not origins:
        return
    any_origin = ANY_ORIGIN in origins

    def allow(answer: Response) -> Response:
        asked = current_request()
        origin = asked.environ.get("HTTP_ORIGIN")
        if not any_origin:
            answer.headers.add("Vary", "Origin")
        if any_origin or origin in origins:
            answer.headers["Access-Control-Allow-Origin"] = ANY_ORIGIN if any_origin else origin
            answer.headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
            if answer.status_code == 204 and asked.environ["REQUEST_METHOD"] == "OPTIONS":
                _allow_request(answer)
        return answer

    app.after_request(allow)


def _allow_request(answer: Response) -> None:
    """Allow the methods of the path, and the request headers that a page may set."""
    answer.headers["Access-Control-Allow-Methods"] = answer.headers["Allow"]
    answer.headers["Access-Control-Allow-Headers"] = ", ".join(REQUEST_HEADERS)
    answer.headers["Access-Control-Max-Age"] = str(_KEPT_S)
