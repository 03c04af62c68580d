"""Memory that batches are written to, used again when nobody refers to a batch any more."""

import weakref
from typing import Protocol

import numpy as np

from mct.data.pictures import Picture


class Buffers(Protocol):
    """Memory of batches that `parts` readers fill together, this one as number `part`."""

    parts: int
    part: int

    def take(self, count: int, size: int) -> Picture:
        """Return an unused array for a batch, uint8 (count, size, size, 3), of any content.

        It is not used for another batch as long as it, or a tensor made of it, is referred to.
        """

    def complete(self) -> None:
        """Return when all parts of the array that was taken last are filled, this one's included."""

    def cancel(self) -> None:
        """Make `take` and `complete` end in an error, now and from now on; from any thread."""

    def free(self) -> None:
        """Free what several ranks share. Collective."""


class OwnBuffers:
    """Buffers that one reader fills alone; as many as are in use at the same time."""

    parts, part = 1, 0

    def __init__(self) -> None:
        self._unused: list[Picture] = []

    def take(self, count: int, size: int) -> Picture:
        buffer = self._unused.pop() if self._unused else np.empty(0, np.uint8)
        if buffer.size < count * size * size * 3:
            buffer = np.empty(count * size * size * 3, np.uint8)
        batch = buffer[: count * size * size * 3].reshape(count, size, size, 3)
        weakref.finalize(batch, self._unused.append, buffer).atexit = False
        return batch

    def complete(self) -> None:
        """Do nothing: nobody waits here, and nothing is shared."""

    cancel = free = complete
