"""Named pipes as bodies: an end completes an answer, a break fails the reader's next read."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from app.serving import pipes
from app.serving.pipes import BodyPipe

pytestmark = pytest.mark.slow  # seconds of work

LONG_S = 30.0


@pytest.fixture
def pipe() -> Iterator[BodyPipe]:
    made = BodyPipe()
    yield made
    made.close()


@pytest.fixture
def reader(pipe: BodyPipe) -> Iterator[int]:
    """A descriptor that Granian could have opened; `pipe` is open for writing."""
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(os.open, pipe.path, os.O_RDONLY)
        pipe.connect(LONG_S)
        descriptor = opened.result()
    yield descriptor
    with suppress(OSError):
        os.close(descriptor)


def write(pipe: BodyPipe, chunk: bytes) -> None:
    pipe.write(chunk, LONG_S, monotonic() + LONG_S)


def fill(pipe: BodyPipe) -> bytes:
    """Write until nobody reads; return what fits."""
    written = b""
    with suppress(TimeoutError):
        while True:
            pipe.write(b"x" * 4_096, 0.001, monotonic() + LONG_S)
            written += b"x" * 4_096
    return written


def test_a_closed_pipe_ends_after_its_last_byte(pipe: BodyPipe, reader: int) -> None:
    write(pipe, b"all of it")
    pipe.close()

    assert (os.read(reader, 100), os.read(reader, 100)) == (b"all of it", b"")


def test_a_broken_pipe_fails_after_what_was_written(pipe: BodyPipe, reader: int) -> None:
    write(pipe, b"a part\n")

    assert not pipe.break_()

    assert os.read(reader, 100) == b"a part\n "
    with pytest.raises(BlockingIOError):
        os.read(reader, 100)
    os.close(reader)
    assert pipe.has_no_reader()


def test_a_waiting_read_ends_and_the_next_one_fails(pipe: BodyPipe, reader: int) -> None:
    def read_on() -> bytes:
        read = b""
        try:
            while part := os.read(reader, 100):
                read += part
        except BlockingIOError:
            os.close(reader)
        return read

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_on)
        write(pipe, b"a part\n")
        assert pipe.break_() or pipe.has_no_reader(30_000)
        assert reading.result(LONG_S) == b"a part\n "


def test_a_full_pipe_fails_once_it_is_read(pipe: BodyPipe, reader: int) -> None:
    written = fill(pipe)

    assert not pipe.break_()

    assert os.read(reader, 1 << 20) == written
    with pytest.raises(BlockingIOError):
        os.read(reader, 100)


def test_a_broken_pipe_leaves_other_pipes_as_they_are(pipe: BodyPipe, reader: int) -> None:
    other = BodyPipe()
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(os.open, other.path, os.O_RDONLY)
        other.connect(LONG_S)
        descriptor = opened.result()

    pipe.break_()

    assert os.get_blocking(descriptor)
    assert not os.get_blocking(reader)
    other.close()
    os.close(descriptor)


@pytest.mark.parametrize("end", [BodyPipe.close, BodyPipe.break_])
def test_no_folder_is_left(pipe: BodyPipe, reader: int, end: Callable[[BodyPipe], object]) -> None:
    end(pipe)

    assert not pipe.path.parent.exists()


def test_a_worker_that_is_killed_in_mid_stream_leaves_no_folder(
    pipe: BodyPipe, reader: int
) -> None:
    assert not pipe.path.parent.exists()
    write(pipe, b"a part")
    assert os.read(reader, 100) == b"a part"


def test_a_pipe_that_nobody_opens_is_given_up(pipe: BodyPipe) -> None:
    with pytest.raises(OSError, match="No such device"):
        pipe.connect(0.05)
    assert pipe.break_()


def test_a_break_without_a_list_of_open_files_leaves_the_end_to_the_caller(
    pipe: BodyPipe, reader: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pipes, "_OPEN_FILES", tmp_path / "absent")
    write(pipe, b"a part")

    assert pipe.break_()

    pipe.close()
    assert os.read(reader, 100) == b"a part"
    assert os.read(reader, 100) == b""


def test_a_break_after_a_disconnection_is_done_at_once(pipe: BodyPipe, reader: int) -> None:
    os.close(reader)

    with pytest.raises(BrokenPipeError):
        write(pipe, b"more")
    assert pipe.break_()
