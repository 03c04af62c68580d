"""What jobs ask for: grows with data and attempts, within the queues."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mct.cluster import demands
from mct.cluster.demands import MODELS, model_cost
from mct.cluster.planning import Demand, Planner
from mct.cluster.site import Site, read_site
from mct.experiment.experiment import Experiment
from mct.learning.prediction import BATCH_SIZE, PREDICTED_AT_A_TIME

PROJECT = Path(__file__).parents[2]
SITE = read_site(PROJECT / "profiles/slurm/partitions.yaml")


def planner(**sections: Any) -> Planner:
    return Planner(Experiment(sections), SITE)


def test_pretraining_ranks_follow_the_ratio_of_work():
    plan = planner(pretraining={"epochs_auxiliary": 10, "epochs_primary": 10})
    ranks = [plan.train(f"pretrain_{role}", "8", 1).ranks for role in ("auxiliary", "primary")]
    assert ranks == [1, 7]


@pytest.mark.parametrize("ranks", [2, 4, 6, 8, 16])
def test_the_two_ranks_of_a_pair_are_one_task(ranks: int):
    demand = planner().calibrate("mct_paper", str(ranks), 1)
    assert demand.ranks == ranks
    assert demand.tasks * 2 == ranks
    assert demand.cpus_per_task == 2 * demand.rank_cpus
    assert demand.mpi == ("yes" if ranks > 2 else "")
    assert demand.nodes == -(-ranks // 4)


def test_a_large_model_takes_more_core_groups():
    sections = {
        "model": {"name": "resnet50"},
        "images": {"size": 224},
        "optimizer": {"batch_size": 512},
    }
    small, large = (planner(**{**sections, "optimizer": {"batch_size": n}}) for n in (8, 64))
    assert small.train("noise_only", "2", 1).rank_cpus == 1
    demand = large.train("noise_only", "2", 1)
    assert demand.rank_cpus in (2, 4)
    assert demand.mem_mb_per_cpu <= 8192
    refused = planner(**sections).calibrate("mct_paper", "2", 1)
    assert SITE.refusal({"cpus_per_task": refused.cpus_per_task, "nodes": 1}) is not None


@pytest.mark.parametrize("ranks", ["2", "8", "32"])
def test_a_batch_by_ranks_is_planned_as_the_batch_it_makes(ranks: str):
    """A rank of the pair has 16 samples, however many there are."""
    sections = {"model": {"name": "resnet18"}, "images": {"size": 224}, "ranks": [int(ranks)]}
    by_rank = planner(**sections, optimizer={"batch_per_rank": 16})
    whole = planner(**sections, optimizer={"batch_size": 16 * int(ranks) // 2})
    assert by_rank.calibrate("mct", ranks, 1) == whole.calibrate("mct", ranks, 1)
    larger = planner(**sections, optimizer={"batch_size": 16 * int(ranks)})
    assert by_rank.rehearse_reading(ranks, 1) == larger.rehearse_reading(ranks, 1)
    memory = by_rank.train("noise_only", ranks, 1).mem_mb_per_cpu
    assert memory == larger.train("noise_only", ranks, 1).mem_mb_per_cpu


def test_time_and_memory_grow_with_the_attempt_but_not_beyond_the_queue():
    plan = planner(pretraining={"epochs_primary": 3000})
    demands = [plan.train("noise_only", "4", attempt) for attempt in (1, 2, 3, 40)]
    runtimes = [demand.runtime for demand in demands]
    memories = [demand.mem_mb_per_cpu * demand.rank_cpus for demand in demands]
    assert runtimes == sorted(runtimes)
    assert runtimes[0] < runtimes[-1] == 120
    assert memories[0] < memories[1] < memories[-1] <= 4 * 8192


@pytest.mark.parametrize("ranks", [2, 4, 8, 16])
@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
def test_a_retry_asks_for_no_more_than_a_queue_gives(ranks: int, attempt: int):
    plan = planner(
        model={"name": "resnet50"}, images={"size": 224}, optimizer={"batch_size": 4 * ranks}
    )
    for demand in (
        plan.calibrate("mct_paper", str(ranks), attempt),
        plan.train("noise_only", str(ranks), attempt),
    ):
        assert SITE.refusal(vars(demand)) is None


def test_without_queues_nothing_is_cut():
    demand = Planner(Experiment({}), read_site(None)).calibrate("mct_paper", "64", 1)
    assert (demand.ranks, demand.tasks, demand.nodes) == (64, 32, 1)


def test_cost_grows_with_the_area_of_pictures():
    small, large = (model_cost("resnet50", size) for size in (112, 224))
    assert large.multiply_adds == 4 * small.multiply_adds
    assert large.parameters == small.parameters == 25_557_032


def test_estimating_noise_looks_at_a_sample_however_large_the_noisy_set_is():
    """The digits' noisy set has 1,117 pictures, validation 180."""
    model = {"model": {"name": "resnet50"}, "images": {"size": 224}}
    few, all_of_them, more = (
        planner(**model, dataset={"noise_samples": most}).estimate_noise(1)
        for most in (100, 1117, 10**6)
    )
    assert few.runtime < all_of_them.runtime
    assert all_of_them == more


def test_a_catalogue_that_reads_pictures_asks_for_time_and_threads():
    noise = {"synthetic_noise": {"kind": "instance_dependent", "rate": 0.4}}
    execution = {"execution": {"picture_threads": 4}}
    lists, pictures = planner(**execution), planner(dataset=noise, **execution)
    assert lists.catalogue(1).cpus_per_task == 1
    assert pictures.catalogue(1).cpus_per_task == 4
    assert pictures.catalogue(1).runtime >= lists.catalogue(1).runtime


def test_the_table_of_costs_is_that_of_the_models(tmp_path: Path):
    script = PROJECT / "workflow/tools/describe_models.py"
    path = tmp_path / "models.tsv"
    subprocess.run([sys.executable, script, "--output", path], check=True)
    assert path.read_text() == MODELS.read_text()


def gpu_site(folder: Path) -> Site:
    """Return the site that the documents have as an example."""
    text = (PROJECT / "docs/clusters.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", text, re.S)
    (folder / "partitions.yaml").write_text(example)
    return read_site(folder / "partitions.yaml")


def test_each_rank_asks_for_a_gpu_where_queues_have_them(tmp_path: Path):
    site = gpu_site(tmp_path)
    plan = Planner(Experiment({}), site)
    whole = plan.calibrate("mct_paper", "32", 1)
    assert (whole.gpu, whole.nodes) == (32, 8)
    assert site.refusal(vars(plan.calibrate("mct_paper", "64", 1))) is not None
    assert plan.train("noise_only", "4", 1).mem_mb_per_cpu <= 4000
    assert (
        plan.calibrate("mct_paper", "8", 1).gpu,
        plan.calibrate("mct_paper", "8", 1).tasks_per_gpu,
    ) == (8, 0)
    assert plan.train("noise_only", "4", 1).gpu == 4
    assert plan.predict(("test",), 1).gpu == plan.predict(("test",), 1).ranks == 1
    photographs = {
        "model": {"name": "resnet50"}, "images": {"size": 224}, "optimizer": {"batch_size": 512},
    }  # fmt: skip
    for device, fits in (("auto", True), ("cpu", False)):
        large = Planner(Experiment({**photographs, "execution": {"device": device}}), site)
        assert (site.refusal(vars(large.calibrate("mct", "4", 1))) is None) == fits
        assert site.refusal(vars(large.predict(("test",), 1))) is None


def one_queue(folder: Path, **limits: Any) -> Site:
    """Return a site with one queue of 64 cores a node."""
    path = folder / "partitions.yaml"
    path.write_text(yaml.safe_dump({"partitions": {"only": {"max_cpus_per_task": 64, **limits}}}))
    return read_site(path)


def test_memory_grows_with_the_attempt_but_not_beyond_a_jobs(tmp_path: Path):
    """A first attempt of two ranks is planned with 2,244 MB."""
    site = one_queue(tmp_path, max_mem_mb=4000)
    plan = Planner(Experiment({"ranks": [2]}), site)
    for demands_of in (lambda n: plan.calibrate("mct", "2", n), plan.shard):
        wanted = [demands_of(attempt).mem_mb for attempt in (1, 2, 9)]
        assert wanted == sorted(wanted)
        assert wanted[-1] <= 4000
    refusal = plan.refusal("calibrate_pair", plan.calibrate("mct", "8", 1).resources)
    assert refusal is not None
    assert "only gives at most max_mem_mb = 4000 MB" in refusal


def test_ranks_beyond_the_threads_of_a_queue_are_refused(tmp_path: Path):
    """The Slurm plugin holds the threads of a rule, hence of all ranks, to `max_threads`."""
    plan = Planner(
        Experiment({"execution": {"loader_threads": 2}}), one_queue(tmp_path, max_threads=8)
    )
    assert plan.refusal("calibrate_pair", plan.calibrate("mct", "4", 1).resources) is None
    refusal = plan.refusal("calibrate_pair", plan.calibrate("mct", "8", 1).resources)
    assert refusal is not None
    assert "only gives at most max_threads = 8, asked 16" in refusal


def test_a_gpus_speed_is_that_of_trainings_alone(tmp_path: Path):
    model = {"model": {"name": "resnet50"}, "images": {"size": 224}}
    site = gpu_site(tmp_path)

    def plan(**execution: Any) -> Planner:
        return Planner(Experiment({**model, "execution": execution}), site)

    slow, fast = plan(gigaflops_per_gpu=100), plan(gigaflops_per_gpu=1000)
    for name, arguments in (
        ("train", ("glc", "4")),
        ("calibrate", ("mct", "4")),
        ("rehearse", ("4",)),
    ):
        long, short = (getattr(planner, name)(*arguments, 1).runtime for planner in (slow, fast))
        assert short < long
    assert fast.predict(("test",), 1).runtime <= slow.predict(("test",), 1).runtime
    threads = plan(gigaflops_per_gpu=100, threads_per_rank=8)
    assert threads.calibrate("mct", "4", 1).runtime == slow.calibrate("mct", "4", 1).runtime
    by_processor = [plan(device="cpu", gigaflops_per_gpu=n).train("glc", "4", 1) for n in (1, 10)]
    assert by_processor[0] == by_processor[1]


@pytest.mark.parametrize(("share", "ranks"), [("all", 4), ("half", 2)])
def test_a_baseline_has_all_ranks_or_those_of_one_model(share: str, ranks: int):
    plan = planner(baselines={"ranks": share})
    assert plan.train("glc", "4", 1).ranks == ranks
    assert plan.calibrate("mct", "4", 1).ranks == 4


def test_judging_a_shard_takes_all_pairs_of_all_runs():
    slow = {"execution": {"gigaflops_per_thread": 0.001}, "methods": ["mct"], "ranks": [2, 4]}
    few, many = (planner(seeds=list(range(n)), **slow).judge(1) for n in (1, 5))
    assert few.ranks == 0
    assert many.runtime > few.runtime
    assert many.mem_mb > few.mem_mb


def test_mct_judges_labels_where_it_is_there_else_another_calibrated_method():
    for methods, judging in (
        (["glc", "mct_paper", "mct"], "mct"), (["mct_paper"], "mct_paper"), (["glc"], None),
    ):  # fmt: skip
        experiment = Experiment({"methods": methods, "seeds": [0]})
        assert experiment.files.judging_method == judging
        assert len(experiment.files.judges_confusions()) == (judging is not None)


@pytest.mark.parametrize(
    ("name", "size", "measured"),
    [("resnet50", 224, 106), ("resnet18", 224, 39), ("alexnet", 224, 7.3), ("small_cnn", 32, 0.95)],
)
def test_memory_of_a_picture_is_planned_above_what_steps_took(
    name: str, size: int, measured: float
):
    """Measured in MB, as `FLOATS_PER_ACTIVATION` says."""
    cost = model_cost(name, size)
    few, many = (demands.model_megabytes(cost, batch, size, 0) for batch in (1, 2))
    assert 1.2 < demands.MARGIN * (many - few) / measured < 2.6


def test_predicting_needs_less_memory_than_training():
    plan = planner(model={"name": "resnet50"}, images={"size": 224}, optimizer={"batch_size": 256})
    demand = plan.predict(("test",), 1)
    assert demand.mem_mb < 20_000
    assert SITE.refusal(vars(demand)) is None
    assert demands.READ_AT_A_TIME == BATCH_SIZE
    assert demands.PREDICTED_AT_A_TIME == PREDICTED_AT_A_TIME


WEB_PICTURES = {"noisy": 2_400_000, "clean": 25_000, "validation": 25_000, "test": 50_000}


def test_predictions_take_as_many_ranks_as_end_soon_but_no_more_than_the_experiment():
    def plan(pictures: int) -> Demand:
        slow = Experiment({"ranks": [2, 8], "execution": {"gigaflops_per_thread": 0.01}})
        slow.__dict__["sizes"] = {**WEB_PICTURES, "test": pictures}
        return Planner(slow, SITE).predict(("test",), 1)

    few, more, most = map(plan, (200, 5000, 500_000))
    assert few.ranks == 1
    assert 1 < more.ranks < 8
    assert most.ranks == most.tasks == 8
    assert most.runtime == 120  # it goes on in the next attempt


def test_what_is_held_of_all_pictures_is_planned():
    """Clothing1M with ResNet-50: 1.05 million pictures with 2,048 features each are 8.6 GB.

    They lie in a file. Memory holds those of the largest class, twice.
    """
    experiment = Experiment({"model": {"name": "resnet50"}, "images": {"size": 224}})
    experiment.__dict__["sizes"] = {"noisy": 1_000_000, "clean": 50_000, "test": 10_000}
    experiment.__dict__["classes"] = 14
    plan = Planner(experiment, SITE)
    features = 1_050_000 * 2048 * 4 / 1e6
    evaluation = of_a_rank(plan.predict(("test",), 1))
    held = of_a_rank(plan.score(1)) - evaluation
    assert held == pytest.approx(2 * 2 / 14 * features, rel=0.01)
    assert SITE.refusal({**plan.score(1).resources, "runtime": 5}) is None
    experiment.__dict__["classes"] = 1000
    logits = 1_000_000 * 1000 * 4 / 1e6
    noisy = of_a_rank(plan.predict(("noisy",), 1))
    assert 3 * logits < noisy < 3.1 * logits + evaluation


def of_a_rank(demand: demands.Demand) -> float:
    """Return the memory of each rank of a job, in MB."""
    return demand.mem_mb / demand.ranks


def test_what_cannot_resume_is_refused_with_what_to_raise_instead_of_being_cut():
    slow = Experiment({"execution": {"gigaflops_per_thread": 0.001}, "inspection": {"parts": 2}})
    slow.__dict__["sizes"] = WEB_PICTURES
    plan = Planner(slow, SITE)
    for rule, demand, remedy in (
        ("judge_labels", plan.judge(1), "raise shards.count"),
        ("inspect_pictures", plan.inspect(1), "raise inspection.parts"),
    ):
        assert demand.runtime > 120
        refusal = plan.refusal(rule, vars(demand))
        assert refusal is not None
        assert remedy in refusal
        assert "\n" not in refusal
    assert plan.train("noise_only", "4", 1).runtime == 120
    many = plan.refusal("judge_labels", {"cpus_per_task": 5, "runtime": 500})
    assert many is not None
    assert "raise" not in many


def test_what_attempts_add_to_a_job_that_cannot_resume_stays_within_the_queue():
    experiment = Experiment({"inspection": {"parts": 500}})
    experiment.__dict__["sizes"] = WEB_PICTURES
    runtimes = [Planner(experiment, SITE).inspect(attempt).runtime for attempt in (1, 2, 3, 99)]
    assert runtimes == sorted(runtimes)
    assert runtimes[0] < runtimes[-1] == 120


def test_ranks_that_decode_with_more_threads_ask_for_as_many_cores():
    for threads, loaders, cores in ((1, 0, 1), (2, 1, 2), (1, 3, 3)):
        execution = {"threads_per_rank": threads, "loader_threads": loaders}
        plan, experiment = planner(execution=execution), Experiment({"execution": execution})
        training = plan.train("noise_only", "4", 1)
        assert (training.rank_threads, training.rank_cpus) == (threads, cores)
        assert plan.predict(("test",), 1).cpus_per_task == cores
        assert experiment.ranks.cores(4) == 4 * cores
