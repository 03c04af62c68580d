"""Show what a configuration will do, without doing it.

Classes in each set, what is kept of the pictures, the share of wrong labels with its interval, the steps
of each training and its learning rates, and the hours and the disk of each stage.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from mct.base.yaml_files import OWN, check_keys
from mct.cluster.overview import aligned
from mct.cluster.schedules import schedule_lines
from mct.command.data import class_table
from mct.command.plan import SNAKEFILE, duration, read_plan
from mct.command.printing import count, show, user_path
from mct.data.catalogue import Catalogue, build_catalogue
from mct.data.images import fitted_shape
from mct.data.layouts.base import LISTED
from mct.experiment.experiment import Experiment
from mct.experiment.methods import is_pair
from mct.experiment.suggestions import SAMPLED, sample
from mct.experiment.variants import merge
from mct.labels.noise import count_rate
from mct.stage.entry import read_keys

MEMORY = Path(".snakemake/mct")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", type=user_path, help="a configuration, as --configfile takes it")
    parser.add_argument("--cores", type=count, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--slurm", action="store_true", help="plan for the profile slurm")


def run(options: argparse.Namespace) -> None:
    """Print what a configuration will do; UserError where it cannot."""
    experiment = open_experiment(options.config)
    config = experiment.config
    show([f"{options.config}: experiment {config['experiment']}, results in {experiment.folder}/"])
    for line in doubts(experiment, options):
        print(f"warning: {line}", file=sys.stderr)
    show(["", *class_table(experiment.lists), f"clean set: {experiment.lists.clean_source}"])
    catalogue = build_catalogue(experiment.layout, LISTED, check_files=False)
    show(["", *pictures(experiment, catalogue), *noise_rate(experiment, catalogue)])
    show(["", *aligned(list(steps(experiment))), *schedule_lines(experiment)])
    queues = ["--profile", str(SNAKEFILE.parent / "profiles/slurm")] if options.slurm else []
    plan = read_plan(options.config, options.cores, queues)
    show(["", *(plan or ["nothing is left to do"]), *duration(plan, options.cores)])


def doubts(experiment: Experiment, options: argparse.Namespace) -> list[str]:
    """Return what does not fit the machine or the data, though it can be run."""
    config, lines = experiment.config, []
    ranks, batch = max(config["ranks"]), config["optimizer"]["batch_size"]
    if ranks > options.cores and not options.slurm:
        lines.append(
            f"ranks: {ranks} ranks share {options.cores} cores, which is slower than {options.cores}"
        )
    if batch > experiment.sizes["noisy"]:
        lines.append(
            f"optimizer.batch_size: {batch} is more than the {experiment.sizes['noisy']} noisy "
            "pictures, so an epoch is one step"
        )
    return lines


def open_experiment(path: Path) -> Experiment:
    """Return the experiment of a configuration, which lies over the workflow's own; UserError."""
    experiment = Experiment(configured(path), memory=MEMORY)
    experiment.check_paths()
    return experiment


def configured(path: Path) -> dict[str, Any]:
    """Return a configuration merged over the workflow's own; UserError for a broken file."""
    check_keys(path)
    own = Path(OWN) if Path(OWN).exists() else SNAKEFILE.parent / OWN
    return merge(read_keys(own), read_keys(path))


def pictures(experiment: Experiment, catalogue: Catalogue) -> list[str]:
    """Return what of pictures models see, by a sample of them."""
    images = experiment.config["images"]
    size, resize = images["size"], images["resize"]
    noisy = int(catalogue.members["noisy"].sum())
    seen = sample(experiment.layout, catalogue)
    broken = min(SAMPLED, noisy) - len(seen)
    if not seen:
        return [f"pictures: none of {broken} sampled ones can be read"]
    shapes = [fitted_shape(one.height, one.width, size, resize) for one in seen]
    kept = median(size**2 / (height * width) for height, width in shapes)
    return [
        f"pictures: models see {size} x {size} pixels, the middle of a picture; in the median of "
        f"{len(seen)} that is {100 * kept:.0f} % of its area",
        *(
            [f"pictures: {broken} of {broken + len(seen)} sampled ones cannot be read"]
            * (broken > 0)
        ),
    ]


def noise_rate(experiment: Experiment, catalogue: Catalogue) -> list[str]:
    """Return the share of wrong labels, with its interval where it is counted."""
    given = experiment.config["dataset"]["noise_rate"]
    if given != "counted":
        return [f"noise rate: P = {given:g}, given in the configuration; nobody counted it"]
    if experiment.layout.is_synthetic:
        return ["noise rate: P is counted once the synthetic noise is made"]
    found = count_rate(*catalogue.verified(), experiment.classes)
    return [
        f"noise rate: P = {found.rate:.3f} ({found.lower:.3f} to {found.upper:.3f}, 95 %), counted on "
        f"{found.samples:,} labels that somebody checked"
    ]


def steps(experiment: Experiment) -> Iterator[list[str]]:
    """Yield a row for each training of a run: samples, batch and updates; each model's for a pair."""
    yield ["training", "ranks", "samples", "batch", "steps"]
    for ranks in map(str, experiment.config["ranks"]):
        for method in experiment.files.trainings():
            plan, calibrates = experiment.plan(method, ranks), is_pair(experiment.config, method)
            samples = plan.samples if calibrates else experiment.ranks.samples(method, ranks)
            yield [method, ranks, f"{samples:,.0f}", str(plan.batch_size), f"{plan.steps:,}"]
