"""Runs the blocks of a page in one clean shell, as a reader who types them in order."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import Block
from tests.servers import ROOT

# The only change to what is printed: the address of the local run.
PRINTED_ADDRESS = "127.0.0.1:8000"
TIMEOUT_S = 180
# Each command that fails writes itself down; a variable that is not set ends the shell.
_PROLOGUE = 'set -uE -o pipefail\ntrap \'echo "$BASH_COMMAND" >>"$failed"\' ERR\n'


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a block; `failed` names its commands that ended with an error."""

    block: Block
    has_ended: bool
    failed: str
    output: str
    errors: str


def make_checkout(folder: Path, data_dir: Path) -> None:
    """Make a folder that looks like the checkout in which `scripts/run` runs."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {"var", ".git"}:
            (folder / entry.name).symlink_to(entry)
    (folder / "var").symlink_to(data_dir)


def run_blocks(
    page: Sequence[Block], folder: Path, address: str, environ: Mapping[str, str]
) -> list[Outcome]:
    """Run what is to be run, save what is to be saved; one outcome for each block that is run."""
    notes = folder / ".outcomes"
    notes.mkdir()
    lines = [_PROLOGUE]
    for number, block in enumerate(page):
        if name := block.value("file"):
            lines.append(f"cat >{name} <<'END-OF-FILE'\n{block.text}END-OF-FILE\n")
        elif block.is_run:
            lines.append(_group(number, block, notes))
    script = "".join(lines).replace(PRINTED_ADDRESS, address)
    (notes / "page.sh").write_text(script, encoding="utf-8")
    subprocess.run(
        ["bash", "--noprofile", "--norc", str(notes / "page.sh")],
        cwd=folder,
        env=_environ(folder) | environ,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=TIMEOUT_S,
    )
    return [_outcome(number, block, notes) for number, block in enumerate(page) if block.is_run]


def _group(number: int, block: Block, notes: Path) -> str:
    body = block.text
    if block.language == "python":
        body = f"python3 - <<'END-OF-PYTHON'\n{block.text}END-OF-PYTHON\n"
    base = notes / str(number)
    return f"failed={base}.failed\n{{\n{body}}} >{base}.out 2>{base}.err\n: >{base}.ended\n"


def _outcome(number: int, block: Block, notes: Path) -> Outcome:
    failed, output, errors = (
        _text(notes / f"{number}.{end}").replace("\r\n", "\n") for end in ("failed", "out", "err")
    )
    return Outcome(block, (notes / f"{number}.ended").exists(), failed, output, errors)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _environ(folder: Path) -> dict[str, str]:
    path = os.pathsep.join((str(ROOT / ".venv" / "bin"), os.environ["PATH"]))
    return {
        "PATH": path,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "FLASK_SKIP_DOTENV": "1",
        # As if the reader had installed the package for producers.
        "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
    }
