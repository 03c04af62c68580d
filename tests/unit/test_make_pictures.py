"""Made pictures: the same bytes by any number of workers, in a layout that is read, with human-like noise."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from samples import dataset_settings
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from garments.drawing import draw_jpeg
from garments.folder import MEASURING, make_folder
from garments.looks import ALIKE, NAMES
from garments.plan import Plan, Request, make_plan
from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue
from mct.data.inspection import find
from mct.data.intake import Listed
from mct.data.layouts.registry import open_layout

PROGRAM = Path(__file__).parents[2] / "workflow/tools/make_pictures.py"
SMALL = Request(
    noisy=170, clean=20, both=12, validation=15, test=15, duplicates=6, broken=5, noise_rate=0.385,
    seed=3,
)  # fmt: skip
LARGE = replace(SMALL, noisy=30_000, clean=1000, both=500)


def digests(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Plan]:
    """Return the folder of the small data set, made by one worker, and what it holds."""
    root = tmp_path_factory.mktemp("made")
    return root, make_folder(root, SMALL, workers=1)


def opened(root: Path):
    return open_layout(
        dataset_settings(
            layout="clothing1m", root=str(root), measuring_labels=str(root / MEASURING)
        )
    )


def test_two_workers_write_the_bytes_that_one_does(made, tmp_path):
    make_folder(tmp_path / "made", SMALL, workers=2)
    assert digests(tmp_path / "made") == digests(made[0])


def test_another_seed_makes_other_pictures(made, tmp_path):
    few = replace(SMALL, noisy=8, clean=1, both=0, validation=1, test=1, duplicates=0, broken=0)
    for seed in (3, 4):
        make_folder(tmp_path / str(seed), replace(few, seed=seed), workers=1)
    first, second = (
        {digest for name, digest in digests(tmp_path / str(seed)).items() if name.endswith("jpg")}
        for seed in (3, 4)
    )
    assert len(first) == len(second) == 11
    assert not first & second


def test_the_layout_reads_sets_and_labels(made):
    layout = opened(made[0])
    assert layout.class_names() == NAMES
    assert layout.sizes() == {"noisy": 170, "clean": 20, "validation": 15, "test": 15}
    catalogue = build_catalogue(layout)
    members = catalogue.members
    assert len(catalogue.keys) == 170 + 20 - 12 + 15 + 15
    assert (members["noisy"] & members["clean"]).sum() == 12
    assert catalogue.true.tolist() == made[1].true.tolist()
    assert catalogue.observed[members["noisy"]].tolist() == made[1].observed.tolist()
    assert set(catalogue.observed[~members["noisy"]]) == {-1}


def test_only_verified_pictures_have_a_true_label_without_the_measuring_file(made):
    layout = open_layout(dataset_settings(layout="clothing1m", root=str(made[0])))
    catalogue = build_catalogue(layout)
    verified = catalogue.members["clean"] | ~catalogue.members["noisy"]
    assert ((catalogue.true >= 0) == verified).all()


def test_asked_copies_and_broken_files_are_there_and_no_others(made):
    layout = opened(made[0])
    findings = [find(Listed(row.key, row.path), layout, 10**6) for row in layout.rows()]
    broken = [finding for finding in findings if finding.kind]
    usable = [finding.digest for finding in findings if not finding.kind]
    assert len(broken) == 5
    assert len({finding.kind for finding in broken}) > 1
    assert len(usable) - len(set(usable)) == 6
    plan = made[1]
    copies = np.flatnonzero(plan.source != np.arange(len(plan.source)))
    sets = SMALL.sets()
    for name in ("test", "validation", "noisy"):
        assert sum(int(source) in sets[name] for source in plan.source[copies]) == 2


def test_pictures_have_a_short_side_of_256_and_several_shapes():
    shapes = {
        simplejpeg.decode_jpeg_header(draw_jpeg(k, k, 0, np.random.default_rng(k)))[:3]
        for k in range(14)
    }
    assert {min(height, width) for height, width, _ in shapes} == {256}
    assert len(shapes) > 5
    assert any(height > width for height, width, _ in shapes)
    assert any(height < width for height, width, _ in shapes)


@pytest.mark.parametrize("rate", [0, 0.2, 0.385, 0.8])
def test_noise_rate_is_near_the_one_that_is_asked_for(rate):
    plan = make_plan(replace(LARGE, noise_rate=rate))
    wrong = plan.observed != plan.true[: LARGE.noisy]
    assert wrong.mean() == pytest.approx(rate, abs=0.01)
    both = wrong[LARGE.noisy - LARGE.both :]
    assert both.mean() == pytest.approx(rate, abs=0.07)


def test_labels_are_wrong_among_similar_classes_and_in_ambiguous_pictures():
    plan = make_plan(LARGE)
    true, ambiguity = plan.true[: LARGE.noisy], plan.ambiguity[: LARGE.noisy]
    counts = np.zeros((len(NAMES), len(NAMES)))
    np.add.at(counts, (true, plan.observed), 1)
    for row, name in enumerate(NAMES):
        likeliest = [NAMES[place] for place in np.argsort(-counts[row])[:4]]
        assert likeliest == [name, *ALIKE[name]]
        alike = counts[row, [NAMES.index(other) for other in ALIKE[name]]].sum()
        assert 0.9 < alike / (counts[row].sum() - counts[row, row]) < 1
    shares = 1 - counts.diagonal() / counts.sum(axis=1)
    assert shares.max() > 1.5 * shares.min()
    wrong = plan.observed != true
    assert wrong[ambiguity > 0.8].mean() > 2 * wrong[ambiguity < 0.2].mean()


def test_classes_can_be_told_apart_by_thumbnails():
    """A linear classifier of 8 x 8 colours is right three times as often as by chance, or more."""
    count = 420
    labels = np.arange(count) % len(NAMES)
    thumbnails = []
    for number, label in enumerate(labels.tolist()):
        data = draw_jpeg(label, label, 0, np.random.default_rng([1, number]))
        picture = simplejpeg.decode_jpeg(data, min_height=64, min_width=64, min_factor=1)
        top, left = (picture.shape[0] - 64) // 2, (picture.shape[1] - 64) // 2
        middle = picture[top : top + 64, left : left + 64]
        thumbnails.append(middle.reshape(8, 8, 8, 8, 3).mean((1, 3)).ravel())
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    model.fit(thumbnails[:315], labels[:315])
    assert model.score(thumbnails[315:], labels[315:]) > 3 / len(NAMES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": 0}, r"--test: expected 1 picture or more, got 0"),
        ({"seed": -1}, r"--seed: expected 0 or more, got -1"),
        ({"both": 21}, r"--both: expected at most --clean \(20\) and --noisy \(170\) .*got 21"),
        ({"broken": 153}, r"--duplicates and --broken: expected at most 158 together.*got 159"),
        ({"noise_rate": 0.95}, r"--noise-rate: expected 0 to 0\.9, got 0\.95"),
        ({"noise_rate": float("nan")}, r"--noise-rate: expected 0 to 0\.9, got nan"),
        ({"noisy": 10**12}, r"--output: .* pictures take about .* GB left"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        make_folder(tmp_path / "made", replace(SMALL, **change), workers=1)
    assert not (tmp_path / "made").exists()


def test_the_program_refuses_a_folder_that_holds_something(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    command = [sys.executable, PROGRAM, "--output", tmp_path, "--noisy", "10", "--both", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: --output: {tmp_path} is not empty; name a new folder, or delete this one\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_the_program_says_what_it_made(tmp_path):
    command = [sys.executable, PROGRAM, "--output", tmp_path / "made"]
    for name in ("noisy", "clean", "validation", "test"):
        command += [f"--{name}", "5"]
    command += ["--both", "2", "--noise-rate", "0", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/made: 18 pictures in ")
    assert done.stdout.endswith("; 0 of 5 labels of the noisy set are wrong, 0.0%\n")
    assert len(list((tmp_path / "made/images").rglob("*.jpg"))) == 18
