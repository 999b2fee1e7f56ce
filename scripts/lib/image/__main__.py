"""Make the base, build the Dockerfile, run the processes: `python -m scripts.lib.image [BASE]`."""

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from devkit.bundled import BundledServerError, running_mongod, running_redis
from scripts.lib.environment import caller_path
from scripts.lib.image.build import Buildah, ImageError, build, make_base, require_tools
from scripts.lib.image.trial import Trial
from scripts.lib.local.messages import say

_SECRETS = ("KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS", "OPERATOR_TOKEN")
# A busy machine must not look like an outage.
_TIMEOUTS = {"REDIS_TIMEOUT_MS": "5000", "MONGODB_TIMEOUT_MS": "5000"}


def main(base: str | None = None) -> None:
    """Build and try the image; end with 1 and the reason if something does not hold."""
    if os.geteuid() != 0:
        sys.exit("scripts/image must run as root: it mounts, and makes namespaces")
    try:
        require_tools()
        with tempfile.TemporaryDirectory(prefix="turnledger-image-") as name:
            _build_and_try(Path(name), caller_path(Path(base)) if base else Path(name) / "base")
    except (ImageError, BundledServerError) as error:
        sys.exit(str(error))


def _build_and_try(folder: Path, base: Path) -> None:
    say("making the base" if not base.exists() else f"using the base in {base}")
    make_base(base)
    with ExitStack() as stack:
        buildah = Buildah(folder)
        stack.callback(buildah.close)
        say("building the Dockerfile")
        image = build(buildah, base)
        Trial(image, stack.enter_context(_stores(folder)), folder).run()
    say("the image does what it must. Not seen: the official base, an engine's limits and networks")


@contextmanager
def _stores(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run the bundled servers; yield the environment of the service."""
    with running_mongod(folder / "mongod") as mongod, running_redis(folder / "redis") as redis:
        values = {name: secrets.token_hex(32) for name in _SECRETS}
        yield {**values, **_TIMEOUTS, "MONGODB_URI": mongod.url, "REDIS_URL": redis.url}


if __name__ == "__main__":
    main(*sys.argv[1:])
