"""Commands that run a target of the workflow and show its output."""

import argparse
import os
import subprocess

from mct.command.check import open_experiment
from mct.command.plan import shown, snakemake, start_words
from mct.command.printing import count, show, user_path
from mct.experiment.experiment import Experiment


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a configuration, cores, and whether only to show what would run."""
    parser.add_argument("config", type=user_path, help="a configuration, as --configfile takes it")
    parser.add_argument("--cores", type=count, default=len(os.sched_getaffinity(0)))
    parser.add_argument("-n", "--dry-run", action="store_true", help="only show what would run")


def run_target(options: argparse.Namespace, target: str) -> Experiment:
    """Run a target for a configuration; ends with Snakemake's exit code where it fails."""
    experiment = open_experiment(options.config)
    how = ["-n", "--cores", str(options.cores)] if options.dry_run else start_words(options.cores)
    words = [target, *how]
    show([shown(options.config, words)])
    done = subprocess.run(snakemake(options.config, words), check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return experiment
