"""Keys and values that the configuration had once are refused in a line of their own."""

import pytest

from mct.base.errors import UserError
from mct.experiment.configuration import resolve
from mct.experiment.retired import RETIRED


@pytest.mark.parametrize("retired", RETIRED)
def test_what_is_retired_is_refused_with_the_commit_that_had_it(retired):
    key, _, value = retired.partition(": ")
    section, _, name = key.partition(".")
    with pytest.raises(UserError) as raised:
        resolve({section: {name: value or 0.5}})
    assert str(raised.value) == (
        f"configuration: `{retired}` is retired; leave it out, or use commit {RETIRED[retired]}, "
        "the last that has it"
    )
