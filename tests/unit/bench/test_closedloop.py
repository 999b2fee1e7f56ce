"""Every request of a closed loop is answered and counted; a broken connection is no figure."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, count, repeat
from threading import Thread

import pytest

from bench.closedloop import Replies, replies_of

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"

Serving = Callable[..., str]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """A server for one connection: an answer for each request of 5 bytes of body, then the end."""
    threads = []

    def serve(listener: socket.socket, answers: Iterator[bytes], received: list[bytes]) -> None:
        connection, _ = listener.accept()
        with closing(listener), connection:
            while request := connection.recv(65_536):
                received.append(request)
                answer = next(answers, None)
                if answer is None:
                    return
                connection.sendall(answer)

    def start(answers: Iterator[bytes], received: list[bytes]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        threads.append(Thread(target=serve, args=(listener, answers, received)))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1/turns"

    yield start
    for thread in threads:
        thread.join()


def bodies() -> Iterator[bytes]:
    return (b"%05d" % number for number in count())


def test_no_request_is_left_without_an_answer(serving: Serving) -> None:
    received: list[bytes] = []
    url = serving(repeat(CREATED), received)
    replies = replies_of(url, {"X-Own": "a"}, bodies(), seconds=0.1, connections=1)
    assert replies.statuses == {201: len(received)}
    assert len(replies.took_s) == len(received)
    assert replies.seconds >= 0.1
    head, _, body = received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/turns HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Own: a\r\n" in head
    assert head.endswith(b"\r\nContent-Length: 5")
    assert body == b"00000"


def test_refusals_are_counted_apart(serving: Serving) -> None:
    url = serving(chain([CREATED], repeat(REFUSED)), [])
    statuses = replies_of(url, {}, bodies(), seconds=0.05, connections=1).statuses
    assert statuses[201] == 1
    assert statuses[429] > 0


def test_a_connection_that_breaks_is_no_figure(serving: Serving) -> None:
    url = serving(iter([CREATED]), [])
    with pytest.raises(AssertionError, match="1 of 1 connections broke"):
        replies_of(url, {}, bodies(), seconds=1, connections=1)


def test_rates_and_percentiles() -> None:
    replies = Replies(2.0, took_s=[0.004, 0.001, 0.002, 0.003])
    assert replies.per_s == 2
    assert (replies.ms(0.5), replies.ms(0.99)) == (2.0, 4.0)
