"""Keys and values that the configuration had once are refused in a line of their own."""

import pytest

from mct.base.errors import UserError
from mct.experiment.configuration import RETIRED, resolve
from mct.experiment.experiment import Experiment


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


@pytest.mark.parametrize("name", ["noisy", "clean", "validation", "test"])
def test_shards_are_no_longer_counted_by_set(name):
    with pytest.raises(UserError, match=rf"`shards\.{name}` is now `shards\.count`"):
        resolve({"shards": {name: 2}})


def test_shards_of_an_earlier_version_are_named_while_they_are_there(tmp_path):
    folder = tmp_path / "digits/shards/digits"
    assert not Experiment({"results": str(tmp_path)}).cautions()
    (folder / "noisy").mkdir(parents=True)
    (folder / "noisy/index.json").write_text("{}")
    (line,) = Experiment({"results": str(tmp_path)}).cautions()
    assert line.startswith(f"{folder}: shards of an earlier version")
    assert "e3bb913" in line
