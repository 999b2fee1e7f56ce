"""Build the packages for producers; exit with 1 if one of them is not as it should be."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from config.version import VERSION
from scripts.lib import ROOT
from scripts.lib.clients.archives import (
    Wrong,
    check_npm,
    check_sdist,
    check_versions,
    check_wheel,
)
from scripts.lib.environment import caller_path
from scripts.lib.generators.tools import ToolFailed, Tools, require_node

CLIENTS = ROOT / "clients"
PYTHON, NODE = CLIENTS / "python", CLIENTS / "node"
# What can be imported without httpx, and what needs it.
LIGHT = "import turnledger, turnledger.errors, turnledger.types"
WHOLE = (
    f"{LIGHT}\n"
    "import turnledger.wsgi, turnledger.asgi, turnledger.testing\n"
    "from turnledger import *\n"
    "with turnledger.testing.FakeLedger().ledger() as ledger:\n"
    "    with ledger.turn(reserve=False): pass\n"
    "    assert ledger.flush(10)\n"
)
T = TypeVar("T")
TRIED = f"{{}}\nassert turnledger.__version__ == {VERSION!r}, turnledger.__version__\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and check every package, and print how long each step took."""
    parser = argparse.ArgumentParser("scripts/build-clients", description=__doc__)
    parser.add_argument("--offline", action="store_true", help="install nothing from a registry")
    parser.add_argument("folder", type=Path, nargs="?", help="by default var/clients")
    asked = parser.parse_args(arguments)
    folder = caller_path(asked.folder) if asked.folder else ROOT / "var" / "clients"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        check_versions(CLIENTS, VERSION)
        with TemporaryDirectory(prefix="turnledger-clients-") as scratch:
            _build(Tools(Path(scratch)), folder, is_offline=asked.offline)
    except (ToolFailed, Wrong) as failure:
        print(f"scripts/build-clients: {failure}", file=sys.stderr)
        return 1
    return 0


def _build(tools: Tools, folder: Path, *, is_offline: bool) -> None:
    wheel, sdist = _do("build clients/python", lambda: build_python(tools, folder))
    _do("check wheel and sdist", lambda: _check(wheel, sdist))
    _do("install and import the wheel", lambda: try_wheel(tools, wheel, is_offline=is_offline))
    if NODE.is_dir():
        require_node()
        packed = _do("pack clients/node", lambda: pack_node(tools, folder))
        _do("check the archive", lambda: check_npm(packed, NODE, VERSION))


def build_python(tools: Tools, folder: Path) -> tuple[Path, Path]:
    """Build wheel and sdist with the build backend of this environment."""
    command = ("-m", "build", "--no-isolation", "--outdir", str(folder), str(PYTHON))
    tools.run(sys.executable, *command)
    stem = f"turnledger-{VERSION}"
    return folder / f"{stem}-py3-none-any.whl", folder / f"{stem}.tar.gz"


def try_wheel(tools: Tools, wheel: Path, *, is_offline: bool) -> None:
    """Install the wheel without extras into a fresh environment, and import it there."""
    home = tools.folder / "fresh"
    tools.run(sys.executable, "-m", "venv", str(home))
    python = str(home / "bin" / "python")
    options = ("--no-index", "--no-deps") if is_offline else ()
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    tools.run(python, *pip, *options, str(wheel))
    tools.run(python, "-I", "-W", "error", "-c", TRIED.format(LIGHT if is_offline else WHOLE))


def pack_node(tools: Tools, folder: Path) -> Path:
    """Pack the package for Node."""
    name = tools.run("npm", "pack", "--silent", "--pack-destination", str(folder), str(NODE))
    return folder / name.strip().splitlines()[-1]


def _check(wheel: Path, sdist: Path) -> None:
    check_wheel(wheel, PYTHON, VERSION)
    check_sdist(sdist, PYTHON, VERSION)


def _do(name: str, step: Callable[[], T]) -> T:
    begun = time.monotonic()
    result = step()
    print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
