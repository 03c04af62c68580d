"""Which tests share a worker when pytest runs several of them."""

import pytest

GROUPS = {
    "tests/slurm/": "the cluster",
    "tests/workflow/test_edits.py": "finished",
    "tests/workflow/test_end_to_end.py": "finished",
    "tests/workflow/test_endings.py": "finished",
    "tests/workflow/test_forcing.py": "finished",
    "tests/workflow/test_kills.py": "finished",
    "tests/workflow/test_places.py": "finished",
    "tests/workflow/test_reruns.py": "finished",
    "tests/workflow/test_spread_predictions.py": "digits",
    "tests/unit/test_published_plans.py": "published lists",
}
"""What tests share that takes minutes or is there once, by the beginning of their name."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Return a scheduler that runs the tests of a group on one worker, all others anywhere.

    Groups come first, as they take longest.
    """
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next(
                (group for start, group in GROUPS.items() if nodeid.startswith(start)), nodeid
            )

    return GroupScheduling(config, log)
