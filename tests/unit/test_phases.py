"""Phases from the configuration to the steps of a training, and how they are shown."""

import io
import json
import re
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from projects import PROJECT
from runs import SIZES, ranks_of, stage_settings

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.calibration.plan import plan_any
from mct.calibration.settings import CalibrationSettings
from mct.cluster.schedules import schedule_lines
from mct.experiment.baselines import BASELINES, FINETUNED
from mct.experiment.combinations import check_schedules
from mct.experiment.configuration import resolve
from mct.experiment.methods import check_methods
from mct.experiment.pair import CALIBRATIONS, PRETRAININGS
from mct.experiment.result_files import ResultFiles
from mct.experiment.schedules import shown_plans
from mct.learning.divergence import describe_divergence
from mct.learning.plan import Plan
from mct.learning.schedules import Part, linear, make_course
from mct.learning.settings import Phase, TrainingSettings
from mct.results.schedule_figure import draw_schedules, group
from mct.results.schedules import blocks, describe, schedule_rows
from mct.results.tables import read_rows

LARGE_BATCHES = PROJECT / "docs/large_batches.md"
WARM = [{"share": "3/4", "warmup": 0.2}, {"shape": "polynomial", "rate": 0.1, "weight_decay": 2}]
CYCLES = [{"shape": "cosine", "cycles": 2, "cycle_length_factor": 2, "augmentation": "none"}]
GIVEN = {
    "ranks": [4],
    "methods": ["noise_only", "mct", "forward_finetuned"],
    "pretraining": {"epochs_auxiliary": 4, "epochs_primary": 2, "schedule": WARM},
    "calibration": {"epochs": 3, "learning_rate": 0.1, "schedule": CYCLES},
    "optimizer": {"batch_size": 100, "rate_scaling": "linear"},
}
CONFIG = resolve(GIVEN)


def plan_of(schedule: object, samples: int, batch: int, set_size: int = 0) -> Plan:
    return Plan(
        samples=samples, set_size=set_size or samples, batch_size=batch, learning_rate=0.4,
        schedule=make_course(Part(schedule, samples)),
    )  # fmt: skip


def test_steps_have_the_rate_decay_and_augmentation_of_the_phase_they_begin_in():
    """Epochs of 50 samples in steps of 20, 20 and 10; the second phase begins after 60 of 120."""
    phases = (Phase(share=0.5, shape="constant"), Phase(weight_decay=3, augmentation="flip"))
    plan = plan_of(phases, samples=120, batch=20, set_size=50)
    batches = list(plan.batches())
    assert [plan.seen(batch) for batch in batches] == [0, 20, 40, 50, 70, 90, 100]
    assert [plan.rate(batch) for batch in batches] == pytest.approx(
        [0.4] * 4 + [0.4 * left / 60 for left in (50, 30, 20)]
    )
    assert [plan.decay_factor(batch) for batch in batches] == [1] * 4 + [3] * 3
    assert [plan.augmentation(batch.step) for batch in batches] == [""] * 4 + ["flip"] * 3


@given(st.integers(1, 200), st.integers(1, 30), st.integers(1, 20), st.data())
def test_samples_before_a_step_are_those_of_the_batches_before_it(samples, size, batch, data):
    plan = plan_of("linear", samples, batch, size)
    step = data.draw(st.integers(0, plan.steps))
    assert plan.samples_before(step) == sum(one.size for one in list(plan.batches())[:step])


def test_a_step_belongs_to_the_cycle_in_which_it_begins():
    """Warm restarts after 10 and 30 of 70 samples; steps begin at 0, 8, 16 and so on."""
    plan = plan_of((Phase(cycles=3, cycle_length_factor=2),), samples=70, batch=8)
    rates = [plan.rate(batch) for batch in plan.batches()]
    rises = [step for step, pair in enumerate(pairwise(rates)) if pair[1] > pair[0]]
    assert (len(rates), rises) == (9, [1, 3])


def test_phases_reach_the_trainings_whose_rates_they_are():
    """Rates of 0.1 for 256 samples, and batches of 100."""
    plans = shown_plans(CONFIG, ranks_of(CONFIG), SIZES)
    assert list(plans) == [
        "pretrain_auxiliary", "pretrain_primary", "noise_only", "forward", "forward_finetuned", "mct",
    ]  # fmt: skip
    scaled = 0.1 * 100 / 256
    assert plans["pretrain_primary"].rate_at(150 * 2) == pytest.approx(scaled)
    assert plans["pretrain_primary"].rate_at(1500) == pytest.approx(0.1 * scaled)
    baseline = plans["noise_only"]
    assert (baseline.constant_samples, baseline.rate_at(1500)) == (2000, 0.1 * scaled)
    assert baseline.rate_at(2000) == pytest.approx(scaled)
    assert plans["mct"].rate_at(1000) == pytest.approx(scaled), "the second cycle begins"
    assert plans["forward_finetuned"].rate_at(0) == pytest.approx(scaled / 10), "its own, 0.01"
    assert plans["mct"].augmentation(0) == "none"


def test_rates_follow_the_batch_of_each_training():
    """Of 8 ranks the pair has 4 pairs, a baseline all: batches of 64 and 128 samples."""
    optimizer = {"batch_per_rank": 16, "rate_scaling": "sqrt"}
    config = resolve({
        "optimizer": optimizer, "methods": ["noise_only", "mct"], "ranks": [8, 16],
        "calibration": {"learning_rate": 0.1},
    })  # fmt: skip
    plans = shown_plans(config, ranks_of(config), SIZES)
    assert plans["mct, 8 ranks"].rate_at(0) == pytest.approx(0.1 * (64 / 256) ** 0.5)
    assert plans["noise_only, 8 ranks"].rate_at(0) == pytest.approx(0.1 * (128 / 256) ** 0.5)
    assert plans["mct, 16 ranks"].rate_at(0) == pytest.approx(0.1 * (128 / 256) ** 0.5)


def test_stages_are_passed_what_a_user_gave_and_no_more():
    """A default of a phase that is written down is the same schedule, and reruns nothing."""
    constant = {"pretraining": {"schedule": "constant"}}
    plain, ranks = resolve({"methods": ["noise_only", "mct"], **constant}), ranks_of
    for name in ("pretrain_primary", "noise_only", "mct"):
        settings = ranks(plain).settings(name, 0, "4")
        assert "first_schedule" not in settings
        assert {"rate_scaling", "label_smoothing"}.isdisjoint(settings["optimizer"])
    spelled = [{**WARM[0], "cycles": 1, "rate": 1}, {**WARM[1], "power": 2}]
    other = resolve({**GIVEN, "pretraining": {**GIVEN["pretraining"], "schedule": spelled}})
    for name in [*PRETRAININGS, *BASELINES, *CALIBRATIONS, *FINETUNED]:
        assert ranks(CONFIG).settings(name, 0, "4") == ranks(other).settings(name, 0, "4")
    settings = ranks(CONFIG).settings("noise_only", 0, "4")
    assert settings["first_schedule"] == [{"share": "3/4", "warmup": 0.2}, WARM[1]]
    assert parse(TrainingSettings, settings).schedule[0].cycles == 2
    assert "first_schedule" not in ranks(CONFIG).settings("forward_finetuned", 0, "4")
    mct = parse(CalibrationSettings, ranks(CONFIG).settings("mct", 0, "4"))
    assert mct.schedule == (parse(Phase, CYCLES[0]),)
    check_methods(CONFIG)


def test_a_variant_has_phases_of_its_own():
    variants = {"cyclic": {"of": "mct", "calibration": {"schedule": CYCLES}}}
    config = resolve({"methods": ["mct"], "variants": variants})
    ranks = ranks_of(config)
    assert ranks.settings("mct", 0, "4")["schedule"] == "linear"
    assert ranks.settings("cyclic", 0, "4")["schedule"] == CYCLES
    bad = [{"share": 0.5}]
    config["variants"]["cyclic"]["calibration"]["schedule"] = bad
    with pytest.raises(UserError, match=r"variants\.cyclic\.calibration\.schedule: .* got 0\.5"):
        check_schedules(config)


def test_numbers_may_be_given_as_text_as_yaml_reads_1e_2():
    config = resolve({"pretraining": {"schedule": [{"rate": "1e-2", "cycles": "3"}]}})
    assert config["pretraining"]["schedule"] == [{"rate": 0.01, "cycles": 3}]


@pytest.mark.parametrize(
    ("schedule", "line"),
    [
        ("linaer", r"pretraining\.schedule.*did you mean `linear`"),
        ([], r"pretraining\.schedule"),
        ([{"warm": 0.1}], r"unknown key `pretraining\.schedule\.0\.warm`; did you mean `warmup`"),
        ([{}, {"warmup": 1}], r"pretraining\.schedule\.1\.warmup`: expected a number .* got 1"),
        ([{"share": "a third"}], r"pretraining\.schedule\.0\.share"),
        ([{"shape": "sine"}], r"pretraining\.schedule\.0\.shape`: expected one of"),
    ],
)
def test_a_schedule_that_is_none_is_refused_in_a_line(schedule, line):
    with pytest.raises(UserError, match=line) as caught:
        resolve({"pretraining": {"schedule": schedule}})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("phases", "images", "line"),
    [
        ([{"share": 0.5}], {}, r"calibration\.schedule: expected shares .* in total, got 0\.5"),
        (CYCLES, {"feature_views": 2}, r"calibration\.schedule\.0\.augmentation: stored features"),
        (
            [{"augmentation": "random_crop"}],
            {},
            r"calibration\.schedule\.0\.augmentation: random_crop",
        ),
    ],
)
def test_phases_that_do_not_fit_are_refused_in_the_plan(phases, images, line):
    config = resolve({"calibration": {"schedule": phases}, "images": images})
    with pytest.raises(UserError, match=line):
        check_schedules(config)


def test_a_training_that_diverges_in_its_first_part_names_that_parts_rate():
    plan = plan_any(ranks_of(CONFIG).settings("noise_only", 0, "4"), SIZES)
    early, late = (
        describe_divergence("noise_only", plan, step, {"the model": np.array([])})
        for step in (3, 25)
    )
    assert "lower pretraining.learning_rate" in early
    assert "lower calibration.learning_rate (or" in late


@given(
    st.lists(
        st.builds(
            Phase,
            cycles=st.integers(1, 3), warmup=st.sampled_from([0, 0.3]), cut_at=st.floats(0.1, 1),
            rate=st.floats(0.1, 2), cycle_length_factor=st.sampled_from([0.5, 1, 2]),
        ),
        min_size=1, max_size=3,
    ),
    st.integers(1, 300), st.integers(1, 20), st.integers(10, 300),
)  # fmt: skip
def test_shown_numbers_are_those_of_the_steps(phases, samples, batch, set_size):
    plan = plan_of(tuple(phases), samples, batch, set_size)
    rates = [plan.rate(one) for one in plan.batches()]
    shown = describe(plan)
    assert (shown.peak, shown.final) == (pytest.approx(max(rates)), pytest.approx(rates[-1]))
    progress = [plan.seen(one) / samples for one in plan.batches()]
    warming = [place for place in progress if place < plan.course.at(place).warm - 1e-9]
    assert shown.warmup_steps == len(warming)


def test_a_course_is_a_line_of_blocks():
    plan = plan_of((Phase(warmup=0.5, warmup_from=0),), samples=800, batch=10)
    assert blocks(plan, 8) == "▂▄▆██▆▄▂"
    assert blocks(plan_of("constant", 800, 10), 4) == "████"
    (row,) = schedule_rows({"mct": plan}, with_line=True)
    assert list(row.values())[:4] == ["mct", "10", "80", "40"]
    assert (row["peak rate"], row["final rate"]) == ("0.4", "0.01")
    assert schedule_rows({"none": plan_of("linear", 0, 10, 5)}) == []


@pytest.mark.parametrize(
    ("keys", "is_shown"),
    [
        ({}, False),
        ({"calibration": {"schedule": "cosine"}, "pretraining": {"schedule": "linear"}}, False),
        ({"calibration": {"schedule": [{"warmup": 0.1}]}}, True),
        ({"pretraining": {"schedule": "polynomial"}}, True),
        ({"optimizer": {"rate_scaling": "sqrt", "batch_size": 64}}, True),
        ({"optimizer": {"rate_scaling": "sqrt", "batch_per_rank": 8}}, True),
        ({"optimizer": {"batch_per_rank": 8}}, False),
        ({"variants": {"one": {"of": "mct", "calibration": {"schedule": [{}]}}}}, True),
    ],
)
def test_schedules_are_shown_where_they_say_something(keys, is_shown):
    config = resolve(keys)
    files = ResultFiles("results", config)
    assert ("schedules" in files.figures()) == ("schedules" in files.tables()) == is_shown
    assert bool(json.loads(stage_settings(config).schedules())) == is_shown
    assert bool(shown_plans(config, ranks_of(config), SIZES)) == is_shown


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", True), ("latin-1", False)])
def test_a_terminal_without_blocks_gets_the_numbers_alone(monkeypatch, encoding, shown):
    experiment = SimpleNamespace(shown_plans=lambda: {"mct": plan_of("linear", 80, 8)})
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    empty, head, row = schedule_lines(experiment)
    assert (empty, "peak rate" in head, "█" in row) == ("", True, shown)
    experiment.shown_plans = dict
    assert schedule_lines(experiment) == []


def test_the_numbers_of_an_experiment_are_written_and_drawn(tmp_path):
    settings = stage_settings(CONFIG).schedules()
    command = [
        sys.executable, PROJECT / "workflow/scripts/plot_schedules.py", "--settings", settings,
        "--sizes", json.dumps(SIZES), "--table", tmp_path / "schedules.tsv",
        "--figure", tmp_path / "schedules.png",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    rows = read_rows(tmp_path / "schedules.tsv")
    assert [row["training"] for row in rows] == list(json.loads(settings))
    assert rows[-1] == {
        "training": "mct", "global batch": "100", "updates": "30", "warm-up": "0",
        "peak rate": "0.03906", "final rate": "0.0002405",
    }  # fmt: skip
    assert "<svg" in (tmp_path / "schedules.svg").read_text()


def test_trainings_with_the_same_rates_share_a_panel():
    plans = {name: plan_of("linear", count, 8) for name, count in (("a", 80), ("b", 800))}
    plans["c"] = plan_of((Phase(warmup=0.1),), 800, 8)
    plans["none"] = plan_of("linear", 0, 8, 5)
    assert group(plans) == [["a", "b"], ["c"]]
    figure = draw_schedules(plans)
    assert [axis.get_title() for axis in figure.axes] == ["a, b", "c"]
    line = figure.axes[1].lines[0]
    assert max(line.get_ydata()) == 0.4
    assert line.get_ydata()[0] == pytest.approx(0.04)


EXAMPLES = re.findall(r"```yaml\n(.*?)```", LARGE_BATCHES.read_text(), re.S)


@pytest.mark.parametrize(
    ("example", "starts", "rates"),
    [
        (0, [0, 5, 50], [0.48, 4.8, 4.8 * 40 / 85]),
        (1, [0, 5, 84.9, 85], [0.48, 4.8, 4.8 * 5.1 / 85, 0.254]),
        (2, [5, 24.9, 28, 40, 55, 67], [1.6, 1.6 * 47.1 / 67, 1.02, 0.764, 0.572, 0.143]),
    ],
)
def test_the_examples_of_the_document_have_the_published_rates(example, starts, rates):
    """By epochs, of which the pretraining has 90 or 72."""
    config = resolve(yaml.safe_load(EXAMPLES[example]))
    check_schedules(config)
    plan = plan_any(ranks_of(config).settings("pretrain_primary", 0, "4"), SIZES)
    epochs = (90, 90, 72)[example]
    found = [plan.rate_at(round(start / epochs * plan.samples)) for start in starts]
    assert found == pytest.approx(rates, rel=0.02)


def test_the_other_examples_are_admitted():
    for example in EXAMPLES[3:]:
        config = resolve(yaml.safe_load(example))
        check_schedules(config)
        check_methods(config)
    assert len(EXAMPLES) == 5


def test_a_shape_is_a_course_of_one_cycle():
    plan = Plan(samples=10, set_size=10, batch_size=5, learning_rate=2, schedule=linear)
    batch = next(plan.batches())
    assert (plan.decay_factor(batch), plan.augmentation(1)) == (1, "")
