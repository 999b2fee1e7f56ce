"""Lint the document, generate clients, and drive the service by them; exit with 1 if any fails."""

import argparse
import json
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from devkit.bundled import BundledServerError
from scripts.lib import ROOT
from scripts.lib.conversation.checkout import SideFailed
from scripts.lib.environment import caller_path
from scripts.lib.generators.service import Service, running_service
from scripts.lib.generators.tools import NPM_PACKAGES, PYTHON_PACKAGES, ToolFailed, Tools

CLIENTS = Path(__file__).parent / "clients"
DOCUMENT = "openapi.json"
# Without it a field of a body that has a default would be required.
TYPES = ("openapi-typescript", DOCUMENT, "-o", "types.ts", "--default-non-nullable=false")
PYTHON_CLIENT = (
    *("openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none"),
    *("--output-path", "turnledger_client", "--overwrite", "--fail-on-warning"),
)
# Writes JavaScript only if the types fit.
COMPILE = ("tsc", "--project", ".", "--noEmitOnError")
# A program that uses the types of the package for Node.
NODE_CLIENT = ("tsc", "--project", str(ROOT / "clients" / "node" / "test"))

Step = tuple[str, Callable[[], str]]


def main() -> int:
    """Run every step, and print how long each took."""
    parser = argparse.ArgumentParser("scripts/generators", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep tools and clients there")
    asked = parser.parse_args()
    # SIGTERM ends the blocks in order, so that servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with ExitStack() as stack:
        folder = caller_path(asked.keep) if asked.keep else _temporary(stack)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _run(stack, Tools(folder))
        except (ToolFailed, BundledServerError, SideFailed) as failure:
            print(f"scripts/generators: {failure}", file=sys.stderr)
            return 1
    return 0


def _temporary(stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory(prefix="turnledger-generators-")))


def _run(stack: ExitStack, tools: Tools) -> None:
    _do("install", lambda: _install(tools))
    stores = _temporary(stack)
    service = stack.enter_context(running_service(stores))
    _do("fetch", lambda: _fetch(service, tools.folder))
    for step in _steps(tools, service):
        _do(*step)


def _install(tools: Tools) -> str:
    tools.install()
    for file in CLIENTS.iterdir():
        shutil.copy(file, tools.folder)
    shutil.copy(ROOT / "redocly.yaml", tools.folder)
    versions = {**NPM_PACKAGES, **PYTHON_PACKAGES}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _fetch(service: Service, folder: Path) -> str:
    with urllib.request.urlopen(f"{service.url}/{DOCUMENT}", timeout=60) as answer:  # noqa: S310
        document: bytes = answer.read()
    (folder / DOCUMENT).write_bytes(document)
    return f"{len(document):,} bytes"


def _steps(tools: Tools, service: Service) -> Iterator[Step]:
    environ = {"TURNLEDGER_URL": service.url, "TURNLEDGER_KEY": service.key}
    yield "lint", lambda: _lint(tools)
    yield "generate TypeScript", lambda: tools.run(*TYPES)
    yield "check types and compile", lambda: tools.run(*COMPILE)
    yield "drive by TypeScript", lambda: tools.run("node", "smoke.js", environ=environ)
    yield "check types of the package for Node", lambda: tools.run(*NODE_CLIENT)
    yield "generate Python", lambda: tools.run(*PYTHON_CLIENT)
    python = str(tools.folder / "venv" / "bin" / "python")
    yield "drive by Python", lambda: tools.run(python, "smoke.py", environ=environ)


def _lint(tools: Tools) -> str:
    """Return the linter's counts; ToolFailed with its report if it warns."""
    report = tools.run("redocly", "lint", DOCUMENT, "--format", "json")
    counts = json.loads(report)["totals"]
    if counts["errors"] or counts["warnings"]:
        raise ToolFailed(f"the linter warns:\n{report}")
    return f"{counts['errors']} errors, {counts['warnings']} warnings"


def _do(name: str, step: Callable[[], str]) -> None:
    began_s = time.monotonic()
    said = step().strip().splitlines()
    print(f"· {name}: {time.monotonic() - began_s:.1f} s. {said[-1] if said else ''}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
