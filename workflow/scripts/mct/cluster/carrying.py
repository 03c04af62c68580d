"""How many ranks a cluster carries, where it does not carry the ranks that were asked for."""

from collections.abc import Callable

MOST_RANKS = 65536


def advise(asked: int, carries: Callable[[int], bool]) -> str:
    """Return which numbers of ranks are carried, nothing where the asked one is.

    Too many ranks need more nodes than there are; too few have batches that no node's memory holds. So
    what is carried lies between two bounds, and one of them is sought from `asked` on by halves or doubles.
    """
    if carries(asked):
        return ""
    if fewer := _search(asked, carries, lambda ranks: ranks // 2):
        return f"the queues carry at most {fewer} ranks"
    if more := _search(asked, carries, lambda ranks: 2 * ranks):
        return f"the queues carry {more} ranks and more (or lower optimizer.batch_size)"
    return "no number of ranks is carried"


def _search(asked: int, carries: Callable[[int], bool], change: Callable[[int], int]) -> int | None:
    """Return the even number nearest to `asked` that is carried, on the side that `change` goes to."""
    refused, ranks = asked, _even(change(asked))
    while 2 <= ranks <= MOST_RANKS:
        if carries(ranks):
            return _nearest(refused, ranks, carries)
        refused, ranks = ranks, _even(change(ranks))
    return None


def _nearest(refused: int, carried: int, carries: Callable[[int], bool]) -> int:
    """Return the even number nearest to a refused one that is carried, given one that is."""
    while abs(refused - carried) > 2:
        middle = _even((refused + carried) // 2)
        if carries(middle):
            carried = middle
        else:
            refused = middle
    return carried


def _even(ranks: int) -> int:
    return ranks - ranks % 2
