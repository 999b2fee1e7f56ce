"""Files of exported turns, by the ending of their name: NDJSON, CSV or Parquet.

A file is written under a temporary name beside its own and renamed at its end, so a stopped export
leaves no half file.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from app.cli.parquet_files import Write, open_parquet
from app.http.accept import CSV, NDJSON
from app.interactions.export_formats import FORMATS


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a temporary name beside `file`; rename it at the end, or remove it after an error."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _open_lines(media_type: str, file: Path) -> Iterator[Write]:
    """Open a file of lines as an export's answer has them, without the trailer."""
    format_ = FORMATS[media_type]
    with file.open("wb") as stream:
        stream.write(format_.head)
        yield lambda items: stream.write(format_.lines(items))


WRITERS: Mapping[str, Callable[[Path], AbstractContextManager[Write]]] = {
    ".ndjson": partial(_open_lines, NDJSON),
    ".csv": partial(_open_lines, CSV),
    ".parquet": open_parquet,
}
