"""The Dockerfile is clean and copies what the service needs; `scripts/image` builds and runs it."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

from tests.deploy.files import DIRECT_WEB, PORT, USER
from tests.servers import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# Hadolint's binary is in the wheel, beside the interpreter.
HADOLINT = Path(sys.executable).with_name("hadolint")


def instructions(name: str) -> list[str]:
    """Return what follows each instruction of a name, its lines joined."""
    joined = re.sub(r"\\\n\s*", "", TEXT)
    return re.findall(rf"^{name} (.+)$", joined, re.MULTILINE)


def lint(text: str) -> str:
    return subprocess.run(
        [HADOLINT, "-"], input=text, check=False, capture_output=True, text=True
    ).stdout


def test_the_linter_finds_nothing() -> None:
    assert lint(TEXT) == ""
    assert "DL3025" in lint(TEXT + "CMD python -m app\n")


def test_it_starts_the_service_directly_and_as_a_user_without_rights() -> None:
    (command,) = instructions("CMD")

    assert command == str(DIRECT_WEB).replace("'", '"')
    assert instructions("USER") == [f"{USER}:{USER}"]
    assert instructions("EXPOSE") == [str(PORT)]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]


def test_only_locked_requirements_of_the_service_are_installed() -> None:
    (installs,) = [line for line in instructions("RUN") if "pip install" in line]

    assert "--require-hashes --requirement requirements.txt" in installs
    assert not re.search(r"requirements-\w+\.txt", TEXT)


def test_the_base_is_the_python_of_the_checkout() -> None:
    wanted = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    bases = [line.split()[0] for line in instructions("FROM")]

    assert len(set(bases)) == 1
    assert bases[0].startswith(f"python:{wanted}-slim-")


def test_the_context_has_what_is_copied_and_no_more() -> None:
    copied = {
        source.removeprefix("./")
        for line in instructions("COPY")
        if not line.startswith("--from=")
        for source in line.split()[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert kept == copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert not any(fnmatch.fnmatch(".env", name) for name in kept)
