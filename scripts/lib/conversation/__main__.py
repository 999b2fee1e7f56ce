"""Replay the conversation against two commits; exit with 1 if anything differs."""

import argparse
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from devkit.bundled import BundledServerError
from scripts.lib.conversation.checkout import SideFailed
from scripts.lib.conversation.compare import differences, texts_changed
from scripts.lib.conversation.side import Recorded, recorded
from scripts.lib.environment import caller_path

_DAY_S = 86_400
# No day and no billing period may end during a conversation.
_LAST_SAFE_S = _DAY_S - 900
_FIRST_SAFE_S = 600


def main() -> int:
    """Run both sides one after the other, then print what differs."""
    asked = _arguments()
    # SIGTERM ends the blocks in order: servers are stopped and worktrees removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    now_s = time.time()
    if not _FIRST_SAFE_S < now_s % _DAY_S < _LAST_SAFE_S:
        print("scripts/conversation: too near to midnight UTC, try again later", file=sys.stderr)
        return 2
    base_ms = int(now_s - 60) * 1_000 + 123
    with TemporaryDirectory(prefix="conversation-") as folder:
        kept = caller_path(asked.keep) if asked.keep else None
        try:
            sides = [
                _side(commit, number, Path(folder), base_ms, kept)
                for number, commit in enumerate(asked.commits, 1)
            ]
        except (SideFailed, BundledServerError) as failure:
            print(f"scripts/conversation: {failure}", file=sys.stderr)
            return 2
    return _report(*sides)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/conversation", description=__doc__)
    parser.add_argument("commits", nargs=2, metavar="COMMIT")
    parser.add_argument("--keep", type=Path, help="keep both transcripts in this folder")
    return parser.parse_args()


def _side(commit: str, number: int, folder: Path, base_ms: int, kept: Path | None) -> Recorded:
    print(f"· {commit}", flush=True)
    own_folder = folder / str(number)
    own_folder.mkdir()
    side = recorded(commit, own_folder, base_ms)
    statuses = sorted({each.status_line.split()[1] for each in side.exchanges})
    print(f"  {len(side.exchanges)} requests; statuses {' '.join(statuses)}", flush=True)
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        lines = [line for each in side.exchanges for line in each.lines()]
        for moment, stored in side.stored.items():
            lines += [f"=== {moment}", *stored]
        (kept / f"{number}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return side


def _report(old: Recorded, new: Recorded) -> int:
    found = list(differences(old, new))
    for line in found:
        print(line)
    texts = texts_changed(old, new)
    if texts:
        print("\nTexts for people, old and new:")
    for before, after in texts:
        print(f"- {before}\n+ {after}")
    print(f"\n{sum(line.startswith('===') for line in found)} of the things compared differ.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
