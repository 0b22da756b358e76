"""Long work lets what has come on connections go first."""

from __future__ import annotations

import os

import gevent
from gevent.socket import wait_read

from app.web.event_loop import give_way


def test_what_has_come_goes_before_the_work_goes_on():
    """However many greenlets work in slices; each gives way once between two of its own."""
    inside, outside = os.pipe()
    done: list[str] = []

    def work():
        for piece in range(10):
            done.append(f"piece {piece}")
            give_way()

    def answer():
        wait_read(inside)
        done.append("answered")

    try:
        answering = gevent.spawn(answer)
        working = [gevent.spawn(work) for _ in range(3)]
        gevent.sleep(0)  # all have begun
        os.write(outside, b"\0")
        gevent.joinall([answering, *working], timeout=10, raise_error=True)
    finally:
        os.close(inside)
        os.close(outside)

    assert 31 == len(done)
    assert done.index("answered") < done.index("piece 3")
