"""Compare our training step with peers, alternating in one run on data made here.

python benchmarks/compare_steps.py --output benchmarks/steps_epyc

Writes <output>.tsv and <output>.md. Ratios are the peer's median step over ours of the same
alternation; the table has their median, smallest and largest.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

from step_data import make_folder, make_shards

from mct.stage.compute import Compute, hardware, versions

HERE = Path(__file__).parent
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
            shards = prepare(Path(folder), case, options)
            for stage in options.stages:
                rows += compare(Path(folder), case, shards, stage, options)
                write(rows, options)


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


def prepare(folder: Path, case: Case, options: argparse.Namespace) -> list[Path]:
    """Make the data of a case and return the shards."""
    stored = case.size if case.size <= 64 else round(case.size * MARGIN)
    count = (options.steps + 1) * case.batch * options.ranks
    make_folder(folder / "pictures", count, stored, CLASSES)
    return make_shards(folder / "pictures", folder / "shards", stored)


def compare(
    folder: Path, case: Case, shards: list[Path], stage: str, options: argparse.Namespace
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
            results.append(run_ours([*common, *steps, "--shards", *shards], folder, options))
        data = ["--steps", options.steps, "--data", pictures]
        peers.append(run_peer(stage, [*common, *data], folder, options))
    return [row(case, stage, name, results, peers) for name, results in ours.items()]


def run_ours(arguments: list, folder: Path, options: argparse.Namespace) -> dict:
    """Return what one start of ours reports."""
    return run(["mpiexec", "-n", options.ranks, sys.executable, "-m", "mpi4py",
                HERE / "our_steps.py", *arguments], folder)  # fmt: skip


def run_peer(stage: str, arguments: list, folder: Path, options: argparse.Namespace) -> dict:
    """Return what one start of the peer reports."""
    return run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", options.ranks,
                HERE / f"peer_{stage}.py", *arguments], folder)  # fmt: skip


def run(command: list, folder: Path) -> dict:
    """Run a measuring program with one thread a rank and return its report."""
    output = folder / "report.json"
    path = os.pathsep.join([str(HERE), str(HERE.parent / "workflow/scripts")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    subprocess.run(
        [str(part) for part in (*command, "--output", output)],
        env=environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return json.loads(output.read_text())


def row(case: Case, stage: str, precision: str, ours: list[dict], peers: list[dict]) -> dict:
    """Return the row of a case: medians of steps, ratios of alternations, share of the rate."""
    mine, theirs = ([statistics.median(r["seconds"]) for r in part] for part in (ours, peers))
    ratios = [peer / our for peer, our in zip(theirs, mine, strict=True)]
    spent = [[r["processor_seconds_per_step"] for r in part] for part in (ours, peers)]
    processor_ratios = [peer / our for our, peer in zip(*spent, strict=True)]
    rate = max(r["matrix_gigaflops"] for r in ours)
    speed = ours[0]["gigaflops_per_sample"] * case.batch / statistics.median(spent[0])
    return {
        "stage": stage, "model": case.model, "pixels": case.size, "samples_per_rank": case.batch,
        "precision": precision, "our_seconds": f"{statistics.median(mine):.3f}",
        "peer_seconds": f"{statistics.median(theirs):.3f}",
        "ratio": f"{statistics.median(ratios):.2f}",
        "ratio_range": f"{min(ratios):.2f} to {max(ratios):.2f}",
        "processor_ratio": f"{statistics.median(processor_ratios):.2f}",
        "processor_range": f"{min(processor_ratios):.2f} to {max(processor_ratios):.2f}",
        "our_processor_seconds": f"{statistics.median(spent[0]):.3f}",
        "waited_seconds": f"{statistics.median(r['waited_seconds_per_step'] for r in ours):.3f}",
        "gigaflops": f"{speed:.0f}", "matrix_gigaflops": f"{rate:.0f}",
        "share_percent": f"{100 * speed / rate:.0f}",
    }  # fmt: skip


def write(rows: list[dict], options: argparse.Namespace) -> None:
    """Write the rows so far as a table, and as a page with the conditions."""
    import torch

    lines = ["\t".join(rows[0]), *("\t".join(map(str, part.values())) for part in rows)]
    options.output.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
    machine = hardware(Compute(device=torch.device("cpu"), dtype=torch.float32))
    table = [f"| {line.replace(chr(9), ' | ')} |" for line in lines]
    table.insert(1, "|" + " --- |" * len(rows[0]))
    page = [
        "# Our step against peers", "",
        f"`python {' '.join(sys.argv)}`", "", *table, "",
        f"{options.ranks} ranks of one thread, {machine['cores']} cores ({machine['processor']}), "
        f"{options.repetitions} alternations of {options.steps} steps after one of warm-up; "
        + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".", "",
        "A ratio is the peer's median step over ours, `processor_ratio` that of processor seconds a",
        "step and rank, loading included, which other work on the machine disturbs less (our waiting",
        "inside MPI counts, the peer's sleeps do not). `waited_seconds` is our waiting for pictures",
        "in a step. `gigaflops` are those of convolutions and matrix products of a whole step (backward",
        "of all samples, also where ours leaves some out, which can pass 100 %) a processor second of",
        "a rank; `matrix_gigaflops` is its best rate in products",
        "of square matrices in the same precision, all ranks at once.",
    ]  # fmt: skip
    options.output.with_suffix(".md").write_text("\n".join(page) + "\n")


if __name__ == "__main__":
    main()
