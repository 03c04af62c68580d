"""What a plan remembers of lists, and every change after which it looks again."""

import os
import re
import resource
import tarfile
import time

import pytest
from test_plan_checks import DAY, config_of, make_old
from trees import TREES

from mct.base.errors import UserError
from mct.cluster.results_folder import begin
from mct.data.verdict import were_files_checked
from mct.experiment.experiment import Experiment
from mct.experiment.lists import Lists, Memory


def plan(folder, config: dict) -> Experiment:
    """Check a configuration as a plan does that remembers in a folder."""
    experiment = Experiment(config, memory=folder / "memory")
    experiment.check_paths()
    return experiment


@pytest.mark.parametrize("layout", ["table", "clothing1m", "food101n", "webvision"])
def test_a_listed_picture_that_was_removed_is_missed(tmp_path, layout, reads):
    root = make_old(TREES[layout](tmp_path / "data"))
    for _ in range(2):
        plan(tmp_path, config_of(root, layout))
    assert len(reads) == 1
    sorted(root.rglob("*.jpg"))[-1].unlink()
    with pytest.raises(UserError, match="listed pictures are not there"):
        plan(tmp_path, config_of(root, layout))


def test_a_member_that_was_removed_from_an_archive_is_missed(tmp_path):
    root = TREES["table"](tmp_path / "data")
    table = root / "table.csv"
    table.write_text(table.read_text().replace("pictures/", "pictures.tar/"))
    config = config_of(root, "table", archives=True)
    pictures = sorted((root / "pictures").iterdir())
    for members in (pictures, pictures[1:]):
        with tarfile.open(root / "pictures.tar", "w") as tar:
            for path in members:
                tar.add(path, path.name)
        if members == pictures:
            plan(tmp_path, config_of(make_old(root), "table", archives=True))
    with pytest.raises(UserError, match="listed pictures are not there"):
        plan(tmp_path, config)


def test_a_plan_opens_more_archives_than_the_limit_at_first_allows(tmp_path):
    root = TREES["table"](tmp_path / "data")
    table, pictures = root / "table.csv", list((root / "pictures").iterdir())
    table.write_text(re.sub(r"pictures/(\d+)", r"\1.tar/\1", table.read_text()))
    for path in pictures:
        with tarfile.open(root / f"{path.stem}.tar", "w") as tar:
            tar.add(path, path.name)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptor = os.dup(0)  # the lowest that is free
    os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor + len(pictures) // 2, before[1]))
    try:
        plan(tmp_path, config_of(root, "table", archives=True))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_link_whose_picture_was_removed_is_missed(tmp_path):
    root = TREES["table"](tmp_path / "data")
    (root / "store").mkdir()
    target = (root / "pictures/3.jpg").rename(root / "store/3.jpg")
    (root / "pictures/3.jpg").symlink_to("../store/3.jpg")
    plan(tmp_path, config_of(make_old(root), "table"))
    target.unlink()
    with pytest.raises(UserError, match=r"not there: pictures/3\.jpg"):
        plan(tmp_path, config_of(root, "table"))


def test_a_file_that_becomes_a_picture_in_its_place_is_listed(tmp_path, reads):
    root = TREES["image_folder"](tmp_path / "data")
    picture = next((root / "train").rglob("*.jpg"))
    empty = picture.with_name("no_ending")
    empty.touch()
    config = config_of(make_old(root), "image_folder")
    before = [plan(tmp_path, config).sizes["noisy"] for _ in range(2)]
    assert len(reads) == 1
    empty.write_bytes(picture.read_bytes())
    assert plan(tmp_path, config).sizes["noisy"] == before[0] + 1


def test_a_time_in_the_future_is_remembered_like_any_other(tmp_path, reads):
    root = make_old(TREES["table"](tmp_path / "data"))
    os.utime(root / "table.csv", times=(time.time() + DAY,) * 2)
    for _ in range(2):
        plan(tmp_path, config_of(root, "table"))
    assert len(reads) == 1


def test_pictures_that_are_still_being_written_are_looked_for_again(tmp_path, reads):
    root = make_old(TREES["table"](tmp_path / "data"))
    os.utime(root / "pictures")
    for _ in range(2):
        plan(tmp_path, config_of(root, "table"))
    assert len(reads) == 2


def test_other_code_trusts_nothing_that_was_found_before(tmp_path, monkeypatch, reads):
    monkeypatch.setenv("MCT_RUN", "")
    config = config_of(make_old(TREES["table"](tmp_path / "data")), "table")
    experiment = plan(tmp_path, config)
    begin(experiment, [], tmp_path / "log", on_cluster=False)
    record, settings = experiment.memory.file, experiment.catalogue_settings()
    code = experiment.code("build_catalogue.py")
    Experiment(config).check_paths()
    assert len(reads) == 1
    assert were_files_checked(record, settings, code)
    assert not were_files_checked(record, settings, "other code")
    monkeypatch.setattr(Experiment, "code", lambda self, script: "other code")
    Experiment(config).check_paths()
    plan(tmp_path, config)
    assert len(reads) == 3
    assert Experiment(config, in_job=True).sizes == experiment.sizes
    assert len(reads) == 3


def test_only_the_newest_are_kept(tmp_path):
    lists = Lists(
        source="", pictures=0, listing="", sizes={}, classes=[], clean_source="", class_counts={},
        stamps={str(tmp_path / "none"): [-1, -1]}, files_checked=True,
    )  # fmt: skip
    memories = [
        Memory(tmp_path / "results", tmp_path / "memory", str(n), "code") for n in range(10)
    ]
    for memory in memories:
        memory.keep(lists)
        time.sleep(0.01)
    known = [memory.recall_current(check_files=True) is not None for memory in memories]
    assert known == [False] * 2 + [True] * 8
