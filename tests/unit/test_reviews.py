"""Reviewed labels: what files of them say, where they go, and that nothing counts wrong labels by them."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import pixel_set
from test_plan_checks import config_of, make_old
from trees import TREES

from mct.base.errors import UserError
from mct.data.catalogue import SETS, Catalogue, build_catalogue, from_rows
from mct.data.layouts.base import LISTED, Row
from mct.data.reviews import apply_reviews, decisions_digest, read_reviews
from mct.experiment.experiment import SCRIPTS, Experiment
from mct.labels.confusions import count_confusion
from mct.labels.estimators import estimate_by_models

NAMES = ["cat", "dog", "cow"]
CATALOGUE = from_rows([
    Row("a", "a.png", observed=0, noisy=True),
    Row("b", "b.png", observed=1, true=0, noisy=True, clean=True),
    Row("c", "c.png", true=1, clean=True),
    Row("d", "d.png", observed=1, true=1, validation=True),
    Row("e", "e.png", true=0, test=True),
    Row("f", "f.png", observed=2, noisy=True, right=0),
])  # fmt: skip


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_review_names_or_numbers_classes_and_may_leave_pictures_undecided(tmp_path):
    downloaded = write(
        tmp_path / "one.csv",
        '"key","label","decision","observed","proposed"',
        '"a,1","dog","accepted","cat","dog"',
        '"b","?","","cat","dog"',
    )
    short = write(tmp_path / "two.tsv", "label\tkey", "2\tc", "\td", "dog\ta,1")
    found = read_reviews([downloaded, short], NAMES)
    assert {key: decision.label for key, decision in found.items()} == {"a,1": 1, "c": 2}
    assert found["c"].place == f"{short}, line 2"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,hen"], r"review.csv, line 2: key a: no class 'hen'"),
        (["a,3"], "line 2: key a: label 3 is outside 0 to 2"),
        (["a,cat", "a,dog"], r"line 3: key a has the label 'dog' here and 'cat' in .*line 2; keep one"),
        (["x,cat", "c,cat"], "line 2: 2 keys are not in the noisy training set: x, c; take such"),
        (["a,cat", "d,cat"], "line 3: 1 key is in the validation set, whose labels are not reviewed: d"),
        (["e,cat"], "line 2: 1 key is in the test set"),
        (["b,dog"], "line 2: key b is in the data set's clean set with the label 'cat', not 'dog'"),
    ],
)  # fmt: skip
def test_a_wrong_review_ends_in_one_line(tmp_path, lines, message):
    review = write(tmp_path / "review.csv", "key,label", *lines)
    with pytest.raises(UserError, match=message):
        apply_reviews(CATALOGUE, read_reviews([review], NAMES), NAMES)


def test_a_review_without_its_columns_is_refused(tmp_path):
    review = write(tmp_path / "review.csv", "key,class", "a,cat")
    with pytest.raises(UserError, match="no column label"):
        read_reviews([review], NAMES)


def test_a_reviewed_picture_is_clean_with_its_new_label_and_stays_noisy(tmp_path):
    review = write(tmp_path / "review.csv", "key,label", "a,dog", "b,cat", "f,cow")
    found = apply_reviews(CATALOGUE, read_reviews([review], NAMES), NAMES)
    assert found.true.tolist() == [1, 0, 1, 1, 0, 2]
    assert found.members["clean"].tolist() == [True, True, True, False, False, True]
    for name in ("noisy", "validation", "test"):
        np.testing.assert_array_equal(found.members[name], CATALOGUE.members[name])
    assert (found.observed.tolist(), found.right.tolist()) == (
        CATALOGUE.observed.tolist(),
        CATALOGUE.right.tolist(),
    )
    assert CATALOGUE.members["clean"].tolist() == [False, True, True, False, False, False]


def test_the_digest_is_of_what_was_decided_and_not_of_files(tmp_path):
    one = write(tmp_path / "one.csv", "key,label", "a,dog", "f,cow")
    other = [
        write(tmp_path / "f.csv", "key;label;x", "f;2;y"),
        write(tmp_path / "a.csv", "key,label", "a,1", "b,"),
    ]
    digests = {decisions_digest(read_reviews(files, NAMES)) for files in ([one], other)}
    assert len(digests) == 1
    assert decisions_digest(read_reviews([other[0]], NAMES)) not in {*digests, ""}
    assert decisions_digest({}) == ""


def listed(config: dict) -> Catalogue:
    return build_catalogue(Experiment(config).layout, LISTED, check_files=False)


def review_of(config: dict, path: Path, count: int = 2) -> tuple[Path, int]:
    """Write a review of the first noisy pictures that are not clean; return it and their number."""
    catalogue = listed(config)
    chosen = np.flatnonzero(catalogue.members["noisy"] & ~catalogue.members["clean"])[:count]
    lines = [f'"{catalogue.keys[place]}",{int(catalogue.observed[place] == 0)}' for place in chosen]
    return write(path, "key,label", *lines), len(chosen)


@pytest.mark.parametrize("layout", [*TREES, "digits"])
def test_reviews_join_the_clean_set_of_every_layout_and_change_no_other_set(tmp_path, layout):
    if layout == "digits":
        config: dict = {"results": str(tmp_path / "results"), "dataset": {}}
    else:
        config = config_of(make_old(TREES[layout](tmp_path / "data")), layout)
    before = Experiment(config)
    review, count = review_of(config, tmp_path / "review.csv")
    after = Experiment({**config, "dataset": {**config["dataset"], "reviews": [str(review)]}})
    after.check_paths()
    assert count
    assert after.sizes == {**before.sizes, "clean": before.sizes["clean"] + count}
    assert after.lists.clean_source.endswith(f"; {count} reviewed noisy pictures as well")
    assert (after.lists.source, after.lists.listing) == (before.lists.source, before.lists.listing)
    assert after.lists.reviews and not before.lists.reviews
    assert after.catalogue_settings() == before.catalogue_settings()
    if before.lists.class_counts:
        grown = {name: sum(after.lists.class_counts[name]) for name in SETS}
        assert grown == after.sizes


def test_a_plan_remembers_a_review_until_it_changes(tmp_path, reads):
    config = config_of(make_old(TREES["table"](tmp_path / "data")), "table")
    review, _ = review_of(config, tmp_path / "review.csv")
    make_old(tmp_path)
    config["dataset"]["reviews"] = [str(review)]
    for _ in range(2):
        first = Experiment(config, memory=tmp_path / "memory").lists
    assert len(reads) == 1
    write(review, *review.read_text().splitlines()[:-1])
    second = Experiment(config, memory=tmp_path / "memory").lists
    assert len(reads) == 2
    assert second.sizes["clean"] == first.sizes["clean"] - 1
    assert second.reviews != first.reviews
    config["dataset"]["reviews"] = []
    assert Experiment(config, memory=tmp_path / "memory").lists.reviews == ""


def test_a_review_that_is_not_there_ends_the_plan(tmp_path):
    config = config_of(TREES["table"](tmp_path / "data"), "table", reviews=["nothing.csv"])
    with pytest.raises(UserError, match=r"nothing\.csv: cannot be read as a table: No such file"):
        Experiment(config).check_paths()


def test_a_review_named_twice_counts_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_of(TREES["table"](tmp_path / "data"), "table")
    review_of(config, tmp_path / "review.csv")
    config["dataset"]["reviews"] = ["review.csv", str(tmp_path / "review.csv"), "./review.csv"]
    assert Experiment(config).reviews == ["review.csv"]


def test_the_solved_rate_is_that_of_all_noisy_pictures_whichever_were_reviewed():
    """Reviewed pictures count for themselves alone: to leave them out would hide wrong labels."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 30_000)
    is_wrong = rng.random(len(true)) < 0.4
    observed = np.where(is_wrong, (true + 1) % 3, true)
    held_out = np.array([[80, 15, 5], [10, 85, 5], [5, 15, 80]])
    chances = held_out / held_out.sum(axis=1, keepdims=True)
    predicted = (rng.random(len(true))[:, None] > chances[true].cumsum(axis=1)).sum(axis=1)

    def rate(clean: np.ndarray) -> float:
        known = count_confusion(observed[clean], true[clean], 3)
        logits = np.eye(3)[predicted[~clean]] * 10
        found = estimate_by_models(
            logits, observed[~clean], held_out, known, unseen=int((~clean).sum())
        )
        return found["estimates"][0]["rate"]

    sampled = np.arange(len(true)) < 1000
    reviewed = sampled | (is_wrong & (rng.random(len(true)) < 0.7))
    assert rate(sampled) == pytest.approx(is_wrong.mean(), abs=0.02)
    assert rate(reviewed) == pytest.approx(is_wrong.mean(), abs=0.02)
    assert is_wrong[~reviewed].mean() < 0.2


def test_reviewed_pictures_do_not_say_how_well_ma_knows_others():
    unseen = runpy.run_path(str(SCRIPTS / "weigh_teacher.py"))["unseen_pictures"]
    clean = pixel_set(40)
    counted = clean.take(np.arange(0, 40, 2))
    found, everything = (unseen(clean, each, 0.5, 0) for each in (counted, clean))
    assert set(found.sample) == set(everything.sample) & set(counted.sample)
    assert 0 < len(found) < len(everything) == 20
    with pytest.raises(UserError, match="all of the 20 held-out clean pictures were reviewed"):
        unseen(clean, replace(clean, sample=clean.sample + 1), 0.5, 0)
