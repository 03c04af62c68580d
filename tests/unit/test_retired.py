"""Keys of earlier versions are refused in a line that names the present one."""

import pytest

from mct.base.errors import UserError
from mct.experiment.configuration import resolve


@pytest.mark.parametrize("name", ["noisy", "clean", "validation", "test"])
def test_shards_are_no_longer_counted_by_set(name):
    with pytest.raises(UserError, match=rf"`shards\.{name}` is now `shards\.count`"):
        resolve({"shards": {name: 2}})
