"""How all unit tests run: one thread, and hypothesis without its clock."""

import os

import pytest
from hypothesis import settings

# Before torch is imported: tests share their machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline on busy machines; the same examples each time, so that red means a changed program.
settings.register_profile("unit", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("unit")


@pytest.fixture
def reads(monkeypatch) -> list:
    """Return a list that grows whenever lists are read."""
    from mct.experiment.lists import Lists

    found, read = [], Lists.read.__func__

    def counted(cls, layout, **options):
        found.append(layout)
        return read(cls, layout, **options)

    monkeypatch.setattr(Lists, "read", classmethod(counted))
    return found
