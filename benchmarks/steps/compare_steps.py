"""Compare our training step with peers, alternating in one run on data made here.

python -m benchmarks.steps.compare_steps --models alexnet --output benchmarks/steps/alexnet

Writes <output>.tsv and <output>.md. Ratios are the peer's median step over ours of the same
alternation; the table has their median, smallest and largest.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.shared.conditions import ROOT, describe_conditions
from benchmarks.shared.figures import middle, ratios, span
from benchmarks.steps.made_data import make_folder, make_shards
from mct.results.tables import write_table

CLASSES, MARGIN = 14, 8 / 7
"""Classes as in Clothing1M; pictures of 256 pixels for crops of 224."""


@dataclass(frozen=True)
class Case:
    """A model and its input; `batch` is samples a rank."""

    model: str
    size: int
    batch: int


CASES = {
    "cifar_resnet18": Case("cifar_resnet18", 32, 128),
    "alexnet": Case("alexnet", 224, 128),
    "resnet50": Case("resnet50", 224, 16),
}


def main() -> None:
    options = parse_options()
    rows = []
    for name in options.models:
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            case = CASES[name]
            labels = prepare(Path(folder), case, options)
            for stage in options.stages:
                rows += compare(Path(folder), case, labels, stage, options)
                write_table(rows, options.output.with_suffix(".tsv"), caption(options))


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=list(CASES), default=list(CASES))
    stages = ["calibration", "pretraining"]
    parser.add_argument("--stages", nargs="+", choices=stages, default=stages)
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="measured steps of each start")
    parser.add_argument("--repetitions", type=int, default=3, help="alternations")
    parser.add_argument("--scratch", type=Path, help="folder for the data; the system's otherwise")
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    return parser.parse_args()


def prepare(folder: Path, case: Case, options: argparse.Namespace) -> Path:
    """Make the data of a case and return its table of labels."""
    stored = case.size if case.size <= 64 else round(case.size * MARGIN)
    count = (options.steps + 1) * case.batch * options.ranks
    make_folder(folder / "pictures", count, stored, CLASSES)
    return make_shards(folder / "pictures", folder / "shards", stored)


def compare(
    folder: Path, case: Case, labels: Path, stage: str, options: argparse.Namespace
) -> list[dict]:
    """Return one row for each precision of ours."""
    peers: list[dict] = []
    ours: dict[str, list[dict]] = {precision: [] for precision in options.precisions}
    common = [
        "--model", case.model, "--size", case.size, "--classes", CLASSES, "--batch", case.batch,
    ]  # fmt: skip
    pictures = folder / "pictures/train"
    for _ in range(options.repetitions):
        for precision, results in ours.items():
            steps = ["--steps", options.steps + 1, "--stage", stage, "--precision", precision]
            results.append(run_ours([*common, *steps, "--labels", labels], folder, options))
        data = ["--steps", options.steps, "--data", pictures]
        peers.append(run_peer(stage, [*common, *data], folder, options))
    return [row(case, stage, name, results, peers) for name, results in ours.items()]


def run_ours(arguments: list, folder: Path, options: argparse.Namespace) -> dict:
    """Return what one start of ours reports."""
    return run(["mpiexec", "-n", options.ranks, sys.executable, "-m", "mpi4py",
                "-m", "benchmarks.steps.our_steps", *arguments], folder)  # fmt: skip


def run_peer(stage: str, arguments: list, folder: Path, options: argparse.Namespace) -> dict:
    """Return what one start of the peer reports."""
    return run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", options.ranks,
                "-m", f"benchmarks.steps.peer_{stage}", *arguments], folder)  # fmt: skip


def run(command: list, folder: Path) -> dict:
    """Run a measuring program with one thread a rank and return its report."""
    output = folder / "report.json"
    subprocess.run(
        [str(part) for part in (*command, "--output", output)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return json.loads(output.read_text())


def row(
    case: Case, stage: str, precision: str, ours: list[dict], peers: list[dict]
) -> dict[str, str]:
    """Return the row of a case: medians of steps, ratios of alternations, share of the rate."""
    mine, theirs = ([median(r["seconds"]) for r in part] for part in (ours, peers))
    spent, spent_by_peer = (
        [r["processor_seconds_per_step"] for r in part] for part in (ours, peers)
    )
    rate = max(r["matrix_gigaflops"] for r in ours)
    speed = ours[0]["gigaflops_per_sample"] * case.batch / median(spent)
    return {
        "stage": stage, "model": case.model, "pixels": str(case.size),
        "samples_per_rank": str(case.batch), "precision": precision,
        "our_seconds": middle(mine, 3), "peer_seconds": middle(theirs, 3),
        "ratio": middle(ratios(theirs, mine)), "ratio_range": span(ratios(theirs, mine)),
        "processor_ratio": middle(ratios(spent_by_peer, spent)),
        "processor_range": span(ratios(spent_by_peer, spent)),
        "our_processor_seconds": middle(spent, 3),
        "waited_seconds": middle([r["waited_seconds_per_step"] for r in ours], 3),
        "gigaflops": f"{speed:.0f}", "matrix_gigaflops": f"{rate:.0f}",
        "share_percent": f"{100 * speed / rate:.0f}",
    }  # fmt: skip


def caption(options: argparse.Namespace) -> str:
    """Return what the columns are, and the conditions."""
    return describe_conditions(
        f"{options.ranks} ranks of one thread, {options.repetitions} alternations of "
        f"{options.steps} steps after one of warm-up. {COLUMNS}"
    )


COLUMNS = (
    "A ratio is the peer's median step over ours, `processor_ratio` the same of processor seconds a "
    "step and rank, loading included, which other work on the machine disturbs less (our waiting "
    "inside MPI counts, the peer's sleeps do not). `waited_seconds` is our waiting for pictures in a "
    "step. `gigaflops` counts convolutions and matrix products of a whole step (backward of "
    "all samples, also where ours leaves some out, which can pass 100 %) a processor second of a "
    "rank; `matrix_gigaflops` is its best rate in products of square matrices in the same precision, "
    "all ranks at once."
)


if __name__ == "__main__":
    main()
