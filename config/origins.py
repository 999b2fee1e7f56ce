"""Check a list of web origins, which browsers send as `Origin`.

The text of the ValueError is a fix.
"""

import re

ANY_ORIGIN = "*"
# As browsers write it: lower case, no path, and no port that is the scheme's own.
_HOST = r"(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
_ORIGIN = re.compile(rf"(?:http://{_HOST}(?!:80$)|https://{_HOST}(?!:443$))(?::[1-9][0-9]{{0,4}})?")
_FIX = (
    "set * or origins like https://app.example,http://localhost:3000, each as browsers send it: "
    "scheme, host and port in lower case, without a path and without the scheme's own port"
)


def parse_origins(text: str) -> tuple[str, ...]:
    """Return the origins of a comma-separated list, or `*` alone; ValueError for anything else."""
    origins = tuple(origin.strip(" \t") for origin in text.split(","))
    is_any = origins == (ANY_ORIGIN,)
    if not is_any and any(_ORIGIN.fullmatch(origin) is None for origin in origins):
        raise ValueError(_FIX)
    return origins
