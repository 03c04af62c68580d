"""Kill a workflow a hundred times at random moments; does every rerun end in the same bits?

python -m benchmarks.kills.kill_stages --kills 100 --output benchmarks/kills/kills.tsv
"""

import argparse
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.shared.conditions import ROOT

sys.path.insert(0, str(ROOT / "tests/workflow"))

from kills import finish_through_kills, results_digest
from projects import copy_project, run_snakemake, write_config
from trees import write_clothing1m

PER_RUN = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--longest", type=float, default=25, help="seconds between start and kill")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows = ["victim\tsignal\tafter_seconds\tended_within_seconds"]
    with tempfile.TemporaryDirectory() as folder:
        whole = prepare(Path(folder, "whole"))
        assert run_snakemake(whole, "--cores", 2, "--configfile", "tiny.yaml").returncode == 0
        reference = results_digest(whole / "results/tiny")
        for seed in range(-(-arguments.kills // PER_RUN)):
            project = prepare(Path(folder, str(seed)))
            for kill in finish_through_kills(
                project, "tiny.yaml", PER_RUN, seed, arguments.longest
            ):
                rows.append(f"{kill.victim}\t{kill.signal}\t{kill.after:.1f}\t{kill.seconds:.1f}")
                print(rows[-1], flush=True)
            assert results_digest(project / "results/tiny") == reference, f"seed {seed} differs"
    arguments.output.write_text("\n".join(rows) + "\n")


def prepare(folder: Path) -> Path:
    """Return a copy of the project with a small data set and checkpoints every second step."""
    project = copy_project(folder)
    config = write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    settings = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**settings, "execution": {"checkpoint_steps": 2}}))
    return project


if __name__ == "__main__":
    main()
