"""Work in threads: in order, ahead by a bounded amount, errors where they belong."""

import threading
import time

import pytest

from mct.base.threads import ITEMS_PER_TASK, TASKS_PER_THREAD, map_in_threads


@pytest.mark.parametrize("count", [0, 1, ITEMS_PER_TASK, 100])
@pytest.mark.parametrize("threads", [1, 3])
def test_results_are_in_order(count, threads):
    def late(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number * number

    assert list(map_in_threads(late, range(count), threads)) == [n * n for n in range(count)]


def test_several_threads_work():
    seen = set(
        map_in_threads(lambda _: (time.sleep(0.002), threading.get_ident())[1], range(99), 3)
    )
    assert len(seen) == 3


def test_no_more_than_a_bounded_number_waits():
    begun: list[int] = []
    results = map_in_threads(lambda n: begun.append(n) or n, range(1000), 2)
    for number in range(50):
        assert next(results) == number
        time.sleep(0.001)
        assert len(begun) <= number + ITEMS_PER_TASK * (TASKS_PER_THREAD * 2 + 1)
    results.close()


def test_an_error_comes_where_it_belongs():
    def fail_at_20(number: int) -> int:
        if number == 20:
            raise ValueError(number)
        return number

    results = map_in_threads(fail_at_20, range(100), 2)
    taken = []
    with pytest.raises(ValueError, match="20"):
        taken.extend(results)
    assert taken == list(range(16))
