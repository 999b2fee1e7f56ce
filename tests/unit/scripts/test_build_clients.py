"""`scripts/build-clients` finds what is wrong with a package; all versions are equal."""

import json
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from config.version import VERSION
from scripts.lib.clients.archives import (
    Wrong,
    check_npm,
    check_sdist,
    check_versions,
    check_wheel,
    versions,
)
from tests.servers import ROOT

PYTHON = ROOT / "clients" / "python"
INFO = f"turnledger-{VERSION}.dist-info"
METADATA = f"""\
Metadata-Version: 2.4
Name: turnledger
Version: {VERSION}
Summary: A client
License-Expression: Apache-2.0
Requires-Python: >=3.10
Requires-Dist: httpx<1,>=0.27
Requires-Dist: openai<4,>=1.66; extra == 'openai'
Description-Content-Type: text/markdown

# Read me
"""


def test_every_package_has_the_version_of_the_service() -> None:
    assert set(versions(ROOT / "clients").values()) == {VERSION}
    check_versions(ROOT / "clients", VERSION)


def test_another_version_is_named_with_its_file() -> None:
    with pytest.raises(Wrong, match=r"__init__\.py says version .* 99\.0\.0"):
        check_versions(ROOT / "clients", "99.0.0")


def modules() -> list[str]:
    source = PYTHON / "src"
    files = [*source.rglob("*.py"), source / "turnledger" / "py.typed"]
    return [str(file.relative_to(source)) for file in files]


def wheel(folder: Path, *more: str, leave_out: str = "", metadata: str = METADATA) -> Path:
    file = folder / "made.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name in [*modules(), f"{INFO}/licenses/LICENSE", *more]:
            if name != leave_out:
                archive.writestr(name, "")
        archive.writestr(f"{INFO}/METADATA", metadata)
    return file


def archive(folder: Path, files: dict[str, str]) -> Path:
    file = folder / "made.tar.gz"
    with tarfile.open(file, "w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, BytesIO(content.encode()))
    return file


def test_a_whole_wheel_passes(tmp_path: Path) -> None:
    check_wheel(wheel(tmp_path), PYTHON, VERSION)


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        (f"Version: {VERSION}", "Version: 9", "has version 9"),
        ("Summary: A client\n", "", "no Summary"),
        ("text/markdown", "text/plain", "no README"),
        ("Requires-Dist: httpx<1,>=0.27\n", "Requires-Dist: rich\n", "depends on"),
    ],
)
def test_wrong_metadata_is_refused(tmp_path: Path, old: str, new: str, wrong: str) -> None:
    with pytest.raises(Wrong, match=wrong):
        check_wheel(wheel(tmp_path, metadata=METADATA.replace(old, new)), PYTHON, VERSION)


def test_a_missing_module_and_a_strange_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match=r"lacks turnledger/py\.typed"):
        check_wheel(wheel(tmp_path, leave_out="turnledger/py.typed"), PYTHON, VERSION)
    with pytest.raises(Wrong, match="holds tests/test_x"):
        check_wheel(wheel(tmp_path, "tests/test_x.py"), PYTHON, VERSION)


def test_an_sdist_has_sources_and_no_tests(tmp_path: Path) -> None:
    home = f"turnledger-{VERSION}"
    sources = [f"src/{name}" for name in modules()]
    files = {f"{home}/{name}": "" for name in (*sources, "README.md", "LICENSE", "pyproject.toml")}
    files[f"{home}/PKG-INFO"] = METADATA
    check_sdist(archive(tmp_path, files), PYTHON, VERSION)
    with pytest.raises(Wrong, match="holds tests"):
        check_sdist(archive(tmp_path, {**files, f"{home}/tests/x.py": ""}), PYTHON, VERSION)


def test_an_archive_of_npm_has_types_and_no_dependency(tmp_path: Path) -> None:
    def packed(**more: object) -> Path:
        described = json.dumps({"version": VERSION, **more})
        names = ("README.md", "index.js", "index.d.ts")
        files = {f"package/{name}": "" for name in names}
        return archive(tmp_path, {**files, "package/package.json": described})

    check_npm(packed(), ROOT, VERSION)
    with pytest.raises(Wrong, match="has dependencies"):
        check_npm(packed(dependencies={"left-pad": "1"}), ROOT, VERSION)
    with pytest.raises(Wrong, match="has version 9"):
        check_npm(packed(version="9"), ROOT, VERSION)
