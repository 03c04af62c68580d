"""Which tests stay on one worker when pytest runs several."""

import pytest

COSTLY = ("finished", "prepared", "up")
"""Fixtures of minutes, or of one cluster: a worker makes them once for all tests that use them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that share a costly fixture one group, for `--dist loadgroup`."""
    for item in items:
        used = [name for name in COSTLY if name in getattr(item, "fixturenames", ())]
        if used:
            item.add_marker(pytest.mark.xdist_group(used[-1]))
