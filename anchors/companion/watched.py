"""An end for connections: what a server drips, header or body, is cut off when its time is over."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any


class TooLate(Exception):
    """The time was over before all had come."""


@contextmanager
def watched(deadline: float) -> Iterator[dict[str, Any]]:
    """Yield ``extensions`` for a request of httpx, whose connections are shut at ``deadline`` (``time.monotonic``).

    Raises
    ------
    TooLate
        In place of whatever else was raised, where that was after the deadline.
    """
    streams: list[Any] = []

    def trace(_event: str, about: dict[str, Any]) -> None:
        if hasattr(made := about.get("return_value"), "get_extra_info"):  # a connection, or its encrypted form
            streams.append(made)

    def shut() -> None:
        for stream in list(streams):
            with suppress(OSError, AttributeError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    timer = Timer(max(0.0, deadline - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield {"trace": trace}
    except Exception as error:
        if time.monotonic() >= deadline:
            raise TooLate from error
        raise
    finally:
        timer.cancel()
    if time.monotonic() >= deadline:
        raise TooLate
