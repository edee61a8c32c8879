"""Requests to several servers at once: who takes which, how often each is tried, when a server is set aside.

The requests of one call are under way in an event loop on a thread of its own and their results come back over a
queue: the caller's code runs on the caller's thread, also in a notebook, which has a loop of its own already.
"""

import asyncio
import threading
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Literal

from anchors.companion.errors import AnchorsError, InputError

LONGEST = 60.0  # seconds between two attempts at most, unless the server asks for more
WAKE = 0.2  # seconds after which a wait for results is begun anew
ROUNDS = 3  # attempts per place that fail in a row before a server is set aside, where there is another

Send = Callable[[str, dict[str, Any]], Awaitable[Any]]  # of a server's address and a request


class Trouble(Exception):
    """An attempt failed and another may not: not before ``pause`` seconds; ``absent`` when nobody listens there."""

    def __init__(self, text: str, pause: float = 0.0, absent: bool = False):
        self.pause, self.absent = pause, absent
        super().__init__(text)


class Refusal(Exception):
    """A request failed for good, because of itself, of the way it is asked (a field, a name), or of the server."""

    def __init__(self, text: str, cause: Literal["request", "way", "server"] = "request"):
        self.cause = cause
        super().__init__(text)


@dataclass(frozen=True)
class Manner:
    """Requests under way per server; attempts after the first; seconds before the second; what to say of a refusal."""

    concurrency: int
    retries: int
    pause: float
    expected: str
    cure: str


@dataclass(eq=False)
class Host:
    """A server: requests under way, attempts that failed in a row, whether it ever answered, why it is set aside."""

    url: str
    busy: int = 0
    strikes: int = 0
    proven: bool = False
    fault: str = ""
    told: bool = False


@dataclass(eq=False)
class Job:
    """A request: ``place`` in the caller's order; ``tried`` are the servers where all its attempts failed."""

    place: int
    request: dict[str, Any]
    tried: list[Host] = field(default_factory=list)
    fault: str = ""


class Dispatch:
    """Sends each request to whichever server is free.

    Parameters
    ----------
    sender : opened in the loop, gives the coroutine function that sends one request and returns its result, or raises
        :class:`Trouble` or :class:`Refusal`.
    """

    def __init__(
        self, urls: Sequence[str], requests: Sequence[dict[str, Any]],
        sender: Callable[[], AbstractAsyncContextManager[Send]], manner: Manner,
    ):  # fmt: skip
        self.hosts = [Host(url) for url in urls]
        self.waiting = deque(Job(place, request) for place, request in enumerate(requests))
        self.sender, self.manner = sender, manner
        self.busy: dict[asyncio.Task, tuple[Host, Job]] = {}
        self.outbox: SimpleQueue = SimpleQueue()

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield (place, result) as they come; the result of a request that failed for good is a :class:`Refusal`.

        Closing the iterator cancels what is under way and ends the thread.

        Raises
        ------
        InputError
            A server's first answer shows that its address, the key, or what is asked for is wrong.
        AnchorsError
            All servers are set aside.
        """
        with _running(self._main()):
            while (item := self._next()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, str):
                    warnings.warn(item, stacklevel=3)
                else:
                    yield item

    def _next(self) -> Any:
        """Wait for the next item; wake at times, since a Ctrl-C just before a wait would only be seen after it."""
        while True:
            with suppress(Empty):
                return self.outbox.get(timeout=WAKE)

    async def _main(self) -> None:
        try:
            async with self.sender() as self.send:
                await self._run()
            self.outbox.put(None)
        except Exception as error:
            self.outbox.put(error)

    async def _run(self) -> None:
        try:
            while self._start():
                finished, _ = await asyncio.wait(self.busy, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    self._settle(task)
        finally:
            for task in self.busy:
                task.cancel()
            await asyncio.gather(*self.busy, return_exceptions=True)

    def _start(self) -> bool:
        """Give waiting requests to free servers; return whether any is under way."""
        while (pair := self._pair()) is not None:
            pair[0].busy += 1
            self.busy[asyncio.create_task(self._ask(*pair))] = pair
        if self.waiting and not self.busy:
            if not self._live():
                raise AnchorsError(_all_down(self.hosts))
            for job in self.waiting:  # each failed at every server that is left
                self.outbox.put((job.place, Refusal(job.fault)))
            self.waiting.clear()
        return bool(self.busy)

    def _pair(self) -> tuple[Host, Job] | None:
        """Take the next request, and the least busy server that did not fail at it."""
        free = [host for host in self._live() if host.busy < self.manner.concurrency]
        for host in sorted(free, key=lambda host: host.busy):
            for place, job in enumerate(self.waiting):  # those tried somewhere come first, and are few
                if host not in job.tried:
                    del self.waiting[place]
                    return host, job
        return None

    def _live(self) -> list[Host]:
        return [host for host in self.hosts if not host.fault]

    def _settle(self, task: asyncio.Task) -> None:
        """Hand over the result of a request that ended, or put it back."""
        host, job = self.busy.pop(task)
        host.busy -= 1
        if task.cancelled():  # its server was set aside
            self.waiting.appendleft(job)
        elif (error := task.exception()) is None:
            self.outbox.put((job.place, task.result()))
        elif isinstance(error, Refusal):
            self._refused(host, job, error)
        elif isinstance(error, Trouble):
            self._troubled(host, job, error)
        else:
            raise error

    def _refused(self, host: Host, job: Job, error: Refusal) -> None:
        if error.cause != "request" and not host.proven:
            raise InputError(host.url, error, self.manner.expected, self.manner.cure)
        if error.cause == "server":
            self.waiting.appendleft(job)
            self._set_aside(host, str(error))
        else:
            self.outbox.put((job.place, error))

    def _troubled(self, host: Host, job: Job, error: Trouble) -> None:
        if host.fault or error.absent:
            self.waiting.appendleft(job)
            self._set_aside(host, str(error))
            return
        job.tried.append(host)
        job.fault = f"{host.url}: {error}"
        if all(other in job.tried for other in self._live()):
            self.outbox.put((job.place, Refusal(job.fault)))
        else:
            self.waiting.appendleft(job)

    def _set_aside(self, host: Host, fault: str) -> None:
        host.fault = host.fault or fault
        for task, (owner, _) in self.busy.items():
            if owner is host:
                task.cancel()
        if self._live() and not host.told:
            self.outbox.put(f"{host.url} is set aside, its requests go to others: {host.fault}")
        host.told = True

    async def _ask(self, host: Host, job: Job) -> Any:
        """Return the result of a request after as many attempts as it takes; raise the last one's error otherwise."""
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

        first = self.manner.pause
        backoff = wait_exponential_jitter(initial=first, max=LONGEST, jitter=first)
        enough = stop_after_attempt(self.manner.retries + 1)
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(Trouble), reraise=True,
            stop=lambda state: bool(host.fault) or enough(state),
            wait=lambda state: max(backoff(state), state.outcome.exception().pause),
        )  # fmt: skip
        return await attempts(self._attempt, host, job)

    async def _attempt(self, host: Host, job: Job) -> Any:
        try:
            found = await self.send(host.url, job.request)
        except Trouble as trouble:
            host.strikes += 1
            if host.strikes >= self._patience():
                host.fault = host.fault or str(trouble)
            raise
        host.strikes, host.proven = 0, True
        return found

    def _patience(self) -> int:
        """Return how many attempts in a row may fail at a server: fewer where there is another."""
        attempts = self.manner.retries + 1
        return self.manner.concurrency * (min(ROUNDS, attempts) if len(self._live()) > 1 else attempts)


def _all_down(hosts: Sequence[Host]) -> str:
    faults = "; ".join(f"{host.url}: {host.fault}" for host in hosts)
    return f"no endpoint answers any more ({faults}); what was sampled is kept: ask again when one is back"


@contextmanager
def _running(work: Coroutine) -> Iterator[None]:
    """Run ``work`` in a loop on a thread of its own; cancel it and wait for its end on the way out."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    thread = threading.Thread(target=_drive, args=(loop, task), name="anchors-endpoint", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def _drive(loop: asyncio.AbstractEventLoop, task: asyncio.Task) -> None:
    loop.run_until_complete(asyncio.wait([task]))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
