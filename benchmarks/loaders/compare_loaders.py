r"""Our loader beside torch's DataLoader, webdataset, mosaicml-streaming and ffcv.

python -m benchmarks.loaders.compare_loaders --folder /tmp/loaders \
    --output benchmarks/loaders/loaders

Makes 20,000 JPEGs of 256 pixels and as many PNGs of 32 (seeded, different, smoothed noise), each
loader's own files from them, and then measures whole epochs in turn: each in a process of its own,
after a few batches that start threads and compilers. Before a cold epoch the loader's files are
dropped from the system's cache. Peers are installed apart from the project, and those that are
absent are left out with the reason:

    uv pip install --target PEERS --no-deps webdataset mosaicml-streaming ffcv ...

(with what they import; ffcv compiles against libopencv-dev and libturbojpeg0-dev), `--peers PEERS`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.loaders.loader_peers import CLASSES, LOADERS, Task
from benchmarks.shared.conditions import ROOT, describe_conditions
from benchmarks.shared.figures import ratios
from mct.results.tables import write_table

DISTINCT = 200
TASKS = {
    "JPEG 256 px -> 224, resized_crop": ("jpeg", 224, "resized_crop"),
    "32 px, crop_flip": ("tiny", 32, "crop_flip"),
}
PACKAGES = ("torch", "torchvision", "simplejpeg", "webdataset", "mosaicml-streaming", "ffcv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--loaders", nargs="+", default=list(LOADERS))
    parser.add_argument("--measure", help="(for the processes that this program starts)")
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    if options.peers:
        sys.path.append(str(options.peers.absolute()))
    if options.measure:
        print(json.dumps(measure(**json.loads(options.measure))))
        return
    rows, absent = [], {}
    for title, (name, size, augmentation) in TASKS.items():
        make_pictures(options.folder / name, name, options.pictures)
        task = Task(
            folder=options.folder / name, size=size, augmentation=augmentation,
            threads=options.threads,
        )  # fmt: skip
        present, reasons = prepare(task, options.loaders)
        absent |= reasons
        for cache in ("warm", "cold"):
            rows += compare(title, task, present, cache, options)
    rows = [{name: str(value) for name, value in row.items()} for row in rows]
    write_table(rows, options.output.with_suffix(".tsv"), caption(options, absent))


def make_pictures(folder: Path, name: str, count: int) -> None:
    """Write pictures that all differ, unless they are there: rolled copies of smoothed noise."""
    if (folder / "made").exists():
        return
    side, ending = (256, "jpg") if name == "jpeg" else (32, "png")
    bases = [noise_picture(number, side) for number in range(DISTINCT)]

    def write(number: int) -> None:
        picture = np.roll(bases[number % DISTINCT], number // DISTINCT, axis=(0, 1))
        path = folder / "pictures" / str(number % CLASSES) / f"{number:06d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, quality=90)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(count)))
    (folder / "made").touch()


def noise_picture(number: int, side: int) -> np.ndarray:
    """Return noise with the falling spectrum of photographs, uint8 (side, side, 3)."""
    generator = np.random.default_rng(number)
    picture = np.zeros((side, side, 3), np.float32)
    cells = 2
    while cells <= side:
        noise = generator.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        for channel in range(3):
            layer = Image.fromarray(noise[..., channel]).resize((side, side), Image.BICUBIC)
            picture[..., channel] += np.asarray(layer) * 50 * (2 / cells) ** 0.45
        cells *= 2
    return np.clip(picture + 128, 0, 255).astype(np.uint8)


def prepare(task: Task, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Write each loader's files; return those that can run, and why others cannot."""
    present, absent = [], {}
    for name in names:
        done = task.folder / f"{name}.written"
        try:
            if not done.exists():
                LOADERS[name]().write(task)
                done.touch()
            run(name, task, "warm", limit=2)
            present.append(name)
        except (ImportError, OSError, RuntimeError) as error:
            absent[name] = str(error).strip().splitlines()[-1]
    return present, absent


def compare(
    title: str, task: Task, names: list[str], cache: str, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return rows of speeds: of all loaders, and of ours with one thread, in alternating runs."""
    single = Task(folder=task.folder, size=task.size, augmentation=task.augmentation, threads=1)
    runs: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.repeats):
        for name, each in [*((name, task) for name in names), ("ours", single)]:
            speed = run(name, each, cache)["pictures_per_second"]
            runs.setdefault((name, each.threads), []).append(speed)
            print(f"{title}, {cache}, {name}, {each.threads} threads: {speed:.0f}/s", flush=True)
    ours = runs["ours", options.threads]
    rows = []
    for (name, threads), speeds in runs.items():
        by_it = ratios(ours, speeds)
        rows.append(
            {
                "pictures": title, "cache": cache, "loader": name, "threads": threads,
                "pictures_per_second": round(statistics.median(speeds)),
                "lowest": round(min(speeds)), "highest": round(max(speeds)),
                "ours_by_it": round(statistics.median(by_it), 2),
                "ratio_lowest": round(min(by_it), 2), "ratio_highest": round(max(by_it), 2),
                "runs": len(speeds),
            }
        )  # fmt: skip
    return rows


def run(name: str, task: Task, cache: str, limit: int | None = None) -> dict[str, Any]:
    """Measure an epoch in another process."""
    facts = {**vars(task), "folder": str(task.folder), "name": name, "cache": cache, "limit": limit}
    program = "benchmarks.loaders.compare_loaders"
    command = [sys.executable, "-m", program, "--folder", str(task.folder)]
    job = subprocess.run(
        [*command, "--measure", json.dumps(facts)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if job.returncode:
        raise RuntimeError(job.stderr)
    return json.loads(job.stdout.splitlines()[-1])


def measure(name: str, cache: str, limit: int | None, folder: str, **facts: Any) -> dict[str, Any]:
    """Return the speed of an epoch of a loader, after a few batches for warming up."""
    import torch

    torch.set_num_threads(1)
    task = Task(folder=Path(folder), **facts)
    batches = LOADERS[name]().batches(task)
    for _ in islice(batches, 3):
        pass
    if cache == "cold":
        drop_caches(task.folder)
    count, began = 0, time.perf_counter()
    for images, labels in islice(batches, limit):
        assert images.shape[1:] == (3, task.size, task.size), images.shape
        assert images.dtype == torch.uint8
        assert len(images) == len(labels)
        count += len(images)
    return {"pictures_per_second": count / (time.perf_counter() - began), "count": count}


def drop_caches(folder: Path) -> None:
    """Have the system forget the files of a folder; the data must be on the disk for that."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def caption(options: argparse.Namespace, absent: dict[str, str]) -> str:
    """Return what the table was measured on, and what is missing from it."""
    sizes = [path.stat().st_size for path in (options.folder / "jpeg" / "pictures" / "0").iterdir()]
    versions = ", ".join(f"{name} {find_version(name)}" for name in PACKAGES)
    missing = "; ".join(f"{name} is missing: {reason}" for name, reason in absent.items())
    return describe_conditions(
        f"{options.pictures} pictures, JPEGs of {statistics.mean(sizes) / 1e3:.0f} kB; {versions}. "
        f"Medians over runs in turn; `ours_by_it` is our speed with {options.threads} threads by "
        f"that of the row. {missing}"
    )


def find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    main()
