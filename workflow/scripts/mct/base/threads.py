"""Work on many items in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")
ITEMS_PER_TASK = 8
"""So that handing work to threads costs little compared with decoding a small picture."""
TASKS_PER_THREAD = 2


def map_in_threads(function: Callable[[S], T], items: Iterable[S], threads: int) -> Iterator[T]:
    """Yield `function(item)` of all items in order, worked out ahead by `threads` threads.

    At most a few dozen results wait for the caller. An error ends the iteration where it belongs.
    """
    pieces = _pieces(iter(items))
    pending: deque[Future[list[T]]] = deque()
    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            for piece in pieces:
                pending.append(pool.submit(lambda part: [function(item) for item in part], piece))
                if len(pending) >= TASKS_PER_THREAD * threads:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for task in pending:
                task.cancel()


def _pieces(items: Iterator[S]) -> Iterator[list[S]]:
    while piece := list(islice(items, ITEMS_PER_TASK)):
        yield piece


class Workers:
    """Threads that share out work; the caller's is one of them."""

    def __init__(self, threads: int) -> None:
        self._others = threads - 1
        self._pool = ThreadPoolExecutor(self._others, "loader") if self._others else None

    def each(self, function: Callable[[S], None], items: Iterable[S]) -> None:
        """Apply a function to every item, each thread taking the next one; raise its error."""
        shared = iter(list(items))  # whose `next` is atomic

        def work() -> None:
            for item in shared:
                function(item)

        parts = [self._pool.submit(work) for _ in range(self._others)] if self._pool else []
        try:
            work()
        finally:
            errors = [part.exception() for part in parts]
        for error in filter(None, errors):
            raise error
