"""Let clients keep an answer and ask whether it is still the same: `ETag`, `If-None-Match`, 304.

Tags are weak, because the same answer may be sent with and without gzip. They are digests of
content, so every worker gives the same content the same tag, also after a restart. A tag is no
secret: it is only compared with that of the answer which its client may read anyway.

A 304 is made like its 200 and costs as much; only the body is saved.
"""

from hashlib import blake2b

from flask import Response

from app.http.current import current_request

# A cache may keep these answers for its own client, and must ask before it uses one.
_KEEP_BUT_ASK = "private, no-cache"
_VARY = "Authorization, Accept, Accept-Encoding"
_DIGEST_BYTES = 16


def tagged(answer: Response, covered: bytes | None = None) -> Response:
    """Return `answer`, a 200, with its tag; a 304 to a client that has sent this tag.

    The tag is a digest of `covered`, by default of the body.
    """
    content = answer.get_data() if covered is None else covered
    tag = f'"{blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()}"'
    asked = current_request()
    asked.may_be_kept = True
    known = asked.environ.get("HTTP_IF_NONE_MATCH")
    # No tag contains a quote, so a search finds exactly the tags of the list, weak and strong ones.
    if known and (tag in known or known.strip() == "*"):
        answer = Response(status=304)
    answer.headers.add("ETag", f"W/{tag}")
    answer.headers.add("Cache-Control", _KEEP_BUT_ASK)
    answer.headers.add("Vary", _VARY)
    return answer
