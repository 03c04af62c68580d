"""Signals that stop the workflow."""

import os
import signal
import threading

import pytest

from mct.cluster.endings import Interruption


@pytest.fixture
def handled():
    """Restore the handlers of signals after a test; yield those signals."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def test_each_sigterm_reaches_snakemake(handled):
    calls = threading.Semaphore(0)
    signal.signal(signal.SIGTERM, lambda number, frame: calls.release())
    interruption = Interruption()
    interruption.watch_jobs()
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        assert calls.acquire(timeout=10)
    assert interruption.came
