r"""Catalogue, inspection and shards of many pictures, beside reading and decoding the same files.

python -m benchmarks.pictures.measure_pictures --pictures 100000 --folder /tmp/pictures \
    --output benchmarks/pictures/pictures

Makes a tree like Clothing1M's (JPEG files of 256 pixels, all different), builds its catalogue, and
then alternates: plain reading and decoding by Pillow, inspection, sharding (`encoded`), each with
the same threads over the same files. `--rows` only lists so many pictures and builds the catalogue.
"""

import argparse
import io
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.shared.conditions import ROOT, describe_conditions
from benchmarks.shared.figures import middle, ratios, span
from benchmarks.shared.pictures import draw_jpeg
from benchmarks.shared.processes import run_measured
from mct.data.catalogue import read_rows
from mct.data.intake import Listed, divide
from mct.results.tables import write_table

SCRIPTS = ROOT / "workflow/scripts"
DISTINCT, CLASSES, PER_FOLDER = 500, 14, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = [measure_catalogue(make_tree(options.folder, options.pictures), options.pictures)]
    rows += measure_reading(options.folder, options.threads, options.repeats)
    listed = make_tree(options.folder / "listed", options.rows, write=False)
    rows.append(measure_catalogue(listed, options.rows))
    measured = (
        f"{options.threads} threads, files of {mean_size(options.folder):.0f} kB on average, warm."
    )
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(measured))


def make_tree(root: Path, count: int, *, write: bool = True) -> Path:
    """Write lists like Clothing1M's of `count` pictures, and the pictures unless they are there.

    Without `write` all files are empty: a catalogue looks at their names only.
    """
    keys = [f"images/{i // PER_FOLDER:04d}/{i:07d}.jpg" for i in range(count)]
    held = {"clean_val": keys[-count // 50 :], "clean_test": keys[-count // 25 : -count // 50]}
    training = keys[: -count // 25]
    lists = {"noisy_train": training, "clean_train": training[: count // 20], **held}
    label = np.random.default_rng(0).integers(0, CLASSES, count)
    root.mkdir(parents=True, exist_ok=True)
    for name, members in lists.items():
        write_lines(root / f"{name}_key_list.txt", members)
    numbered = dict(zip(keys, label.tolist(), strict=True))
    write_lines(root / "noisy_label_kv.txt", [f"{key} {numbered[key]}" for key in training])
    clean = [*lists["clean_train"], *held["clean_val"], *held["clean_test"]]
    write_lines(root / "clean_label_kv.txt", [f"{key} {numbered[key]}" for key in clean])
    write_lines(root / "category_names_eng.txt", [f"class {i}" for i in range(CLASSES)])
    if not (root / keys[-1]).exists():
        write_pictures(root, keys, write)
    return root


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def write_pictures(root: Path, keys: list[str], write: bool) -> None:
    """Write JPEG files that differ in their comment, of `DISTINCT` contents, or empty files."""
    contents = [draw_jpeg(seed) for seed in range(DISTINCT if write else 0)]
    for number, key in enumerate(keys):
        path = root / key
        if number % PER_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        if write:
            comment = f"{number:08d}".encode()
            data = contents[number % DISTINCT]
            path.write_bytes(data[:2] + b"\xff\xfe\x00\x0a" + comment + data[2:])
        else:
            path.touch()


def measure_catalogue(root: Path, count: int) -> dict[str, str]:
    """Build the catalogue of a tree by its entry point; return seconds and peak memory."""
    seconds, megabytes = run_script(
        "build_catalogue.py",
        "--settings",
        settings(root),
        "--threads",
        1,
        "--output",
        root / "catalogue.tsv",
    )
    return row(f"catalogue of {count:,} pictures", seconds, megabytes)


def settings(root: Path) -> str:
    return json.dumps(
        {
            "layout": "clothing1m", "root": str(root), "measuring_labels": None, "seed": 0,
            "synthetic_noise_rate": 0.4, "synthetic_clean_fraction": 0.1,
        }
    )  # fmt: skip


def run_script(name: str, *arguments: object) -> tuple[float, float]:
    """Return seconds and peak memory in MB of an entry point."""
    spent = run_measured([sys.executable, SCRIPTS / name, *arguments])
    return spent.seconds, spent.peak_megabytes


def measure_reading(root: Path, threads: int, repeats: int) -> list[dict[str, str]]:
    """Alternate plain reading and decoding, inspection and sharding; return medians and ratios."""
    inspection, listing = root / "inspection/0-0000.tsv", root / "intakes/0.tsv"
    rows = read_rows(root / "catalogue.tsv")
    pictures = sorted(Listed(row.key, row.path) for row in rows if row.noisy)
    divide(listing.parent, pictures).write(listing.parent)
    dataset = ("--dataset", settings(root), "--listing", listing)
    pool = ("--threads", threads)
    jobs: dict[str, Callable[[], tuple[float, float]]] = {
        "reading and decoding (Pillow)": lambda: decode_all(root, threads),
        "inspection": lambda: run_script(
            "inspect_pictures.py", *dataset, "--part", 0, "--parts", 1, "--most-pixels", 64_000_000,
            *pool, "--output", inspection,
        ),
        "one shard of all noisy pictures": lambda: run_script(
            "write_shard.py", *dataset, "--settings", shard_settings(), "--inspection", inspection,
            "--digest", "benchmark", "--shard", 0, "--shards", 1, *pool,
            "--output", root / "shards/0-0000.h5",
        ),
    }  # fmt: skip
    jobs["inspection"]()  # makes what sharding reads, and warms the files
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            found[name].append(job())
    base = [seconds for seconds, _ in found["reading and decoding (Pillow)"]]
    table = []
    for name, times in found.items():
        seconds, megabytes = (statistics.median(values) for values in zip(*times, strict=True))
        by_reading = ratios([own for own, _ in times], base)
        table.append(row(name, seconds, megabytes, by_reading))
    return table


def decode_all(root: Path, threads: int) -> tuple[float, float]:
    """Read and decode every picture of the catalogue into an array."""

    def decode(path: str) -> None:
        with Image.open(io.BytesIO((root / path).read_bytes())) as image:
            np.asarray(image.convert("RGB"))

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(decode, (row.path for row in read_rows(root / "catalogue.tsv"))):
            pass
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def shard_settings() -> str:
    return json.dumps({"size": 224, "encoding": "encoded", "short_side": None, "quality": 95})


def mean_size(root: Path) -> float:
    """Return the mean size of the first pictures in kB."""
    return statistics.mean(path.stat().st_size for path in (root / "images/0000").iterdir()) / 1e3


def row(
    name: str, seconds: float, megabytes: float, by_reading: list[float] | None = None
) -> dict[str, str]:
    return {
        "stage": name,
        "seconds": f"{seconds:.1f}",
        "peak_MB": f"{megabytes:.0f}",
        "ratio_to_decoding": middle(by_reading) if by_reading else "",
        "lowest_highest": span(by_reading) if by_reading else "",
        "kind": "measured",
    }


if __name__ == "__main__":
    main()
