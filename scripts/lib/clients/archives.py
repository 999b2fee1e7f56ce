"""Check versions, and what wheels, sdists and npm's archives hold."""

import json
import re
import tarfile
import zipfile
from collections.abc import Iterable
from email.message import Message
from email.parser import Parser
from pathlib import Path

_PYTHON_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
# A package without these could not be published or used.
_REQUIRED = ("Name", "Version", "Summary", "Requires-Python", "License-Expression")
_ONLY_DEPENDENCY = "httpx"


class Wrong(Exception):
    """A package is not as it should be; the text says what and where."""


def versions(clients: Path) -> dict[str, str]:
    """Return the version that each package names, by its file."""
    found = {}
    source = clients / "python" / "src" / "turnledger" / "__init__.py"
    named = _PYTHON_VERSION.search(source.read_text(encoding="utf-8"))
    found[str(source.relative_to(clients.parent))] = named[1] if named else "none"
    package = clients / "node" / "package.json"
    if package.is_file():
        described = json.loads(package.read_text(encoding="utf-8"))
        found[str(package.relative_to(clients.parent))] = described["version"]
    return found


def check_versions(clients: Path, version: str) -> None:
    """Raise Wrong unless every package has this version."""
    for file, named in versions(clients).items():
        if named != version:
            raise Wrong(
                f"{file} says version {named}, config/version.py {version}: make them equal."
            )


def check_wheel(wheel: Path, source: Path, version: str) -> None:
    """Raise Wrong unless the wheel has all modules, sound metadata and one dependency."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"turnledger-{version}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
    _require(wheel, names, _modules(source / "src"))
    _require(wheel, names, [f"{info}/licenses/LICENSE"])
    strangers = [name for name in names if not name.startswith(("turnledger/", f"{info}/"))]
    if strangers:
        raise Wrong(f"{wheel.name} holds {strangers[0]}, which is no part of the package.")
    _check_metadata(wheel, Parser().parsestr(metadata), version)


def check_sdist(sdist: Path, source: Path, version: str) -> None:
    """Raise Wrong unless the sdist has the sources, README and licence, and no tests."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        packed = archive.extractfile(f"turnledger-{version}/PKG-INFO")
        metadata = packed.read().decode() if packed else ""
    _require(sdist, names, [f"src/{name}" for name in _modules(source / "src")])
    _require(sdist, names, ["README.md", "LICENSE", "pyproject.toml"])
    if any(name.startswith("tests") for name in names):
        raise Wrong(f"{sdist.name} holds tests.")
    _check_metadata(sdist, Parser().parsestr(metadata), version)


def check_npm(packed: Path, source: Path, version: str) -> None:
    """Raise Wrong unless the archive has README, licence and types, and no dependency."""
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
        file = archive.extractfile("package/package.json")
        described = json.loads(file.read()) if file else {}
    if described.get("version") != version:
        raise Wrong(f"{packed.name} has version {described.get('version')}, not {version}.")
    if described.get("dependencies"):
        raise Wrong(f"{packed.name} has dependencies: {sorted(described['dependencies'])}.")
    _require(packed, names, ["package.json", "README.md"])
    if not any(name.endswith(".d.ts") for name in names):
        raise Wrong(f"{packed.name} has no types.")
    if any("test" in Path(name).parts for name in names):
        raise Wrong(f"{packed.name} holds tests of {source.name}.")


def _check_metadata(archive: Path, found: Message, version: str) -> None:
    for name in _REQUIRED:
        if not found.get(name):
            raise Wrong(f"{archive.name} has no {name} in its metadata.")
    if found["Version"] != version:
        raise Wrong(f"{archive.name} has version {found['Version']}, not {version}.")
    if found["Description-Content-Type"] != "text/markdown" or not found.get_payload():
        raise Wrong(f"{archive.name} shows no README: its description must be Markdown.")
    dependencies = [each for each in found.get_all("Requires-Dist", []) if "extra ==" not in each]
    if [re.split(r"[^\w-]", each)[0] for each in dependencies] != [_ONLY_DEPENDENCY]:
        raise Wrong(f"{archive.name} depends on {dependencies}, not on {_ONLY_DEPENDENCY} alone.")


def _modules(source: Path) -> list[str]:
    files = [*source.rglob("*.py"), source / "turnledger" / "py.typed"]
    return sorted(str(file.relative_to(source)) for file in files)


def _require(archive: Path, names: set[str], wanted: Iterable[str]) -> None:
    for name in wanted:
        if name not in names:
            raise Wrong(f"{archive.name} lacks {name}.")
