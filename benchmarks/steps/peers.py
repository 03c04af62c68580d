"""What both peers share: options, torch's DataLoader over an image folder, and their report."""

import argparse
from pathlib import Path
from time import perf_counter

import psutil
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, DistributedSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.steps.made_data import processor_seconds, write_seconds
from mct.data.pictures import decode


def parse_options(description: str | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="image folder, <class>/<picture>")
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, required=True, help="pixels")
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True, help="samples a rank")
    parser.add_argument("--warm-up", type=int, default=1, help="steps that are not reported")
    parser.add_argument("--steps", type=int, required=True, help="steps that are reported")
    parser.add_argument("--workers", type=int, default=1, help="processes that load, per rank")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def picture_loader(options: argparse.Namespace, replicas: int, rank: int) -> DataLoader:
    """Return the usual loader: decode, crop, flip, tensor, normalise."""
    crop = (
        v2.RandomCrop(options.size, padding=options.size // 8)
        if options.size <= 64
        else v2.RandomResizedCrop(options.size, antialias=True)
    )
    transform = v2.Compose(
        [
            v2.ToImage(), crop, v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)), v2.ToPureTensor(),
        ]
    )  # fmt: skip
    pictures = ImageFolder(options.data, transform, loader=load)
    sampler: DistributedSampler = DistributedSampler(pictures, num_replicas=replicas, rank=rank)
    return DataLoader(
        pictures, options.batch, sampler=sampler, num_workers=options.workers, drop_last=True
    )


def load(path: str):
    """Return a picture by the library's own decoder, uint8 (height, width, 3)."""
    return decode(Path(path).read_bytes(), path)


class Clock:
    """Notes when each step ends, and the processor time of this process and its workers until then."""

    def __init__(self) -> None:
        self._began = perf_counter()
        self._seconds: list[float] = []
        self._spent: list[float] = []

    def note_step(self) -> None:
        """Note the end of a step."""
        now = perf_counter()
        self._seconds.append(now - self._began)
        self._began = now
        me = psutil.Process()
        times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
        self._spent.append(sum(time.user + time.system for time in times))

    def report(self, options: argparse.Namespace) -> None:
        """Write what was measured after the warm-up from rank 0, and leave the process group."""
        last = options.warm_up + options.steps
        spent = torch.tensor(processor_seconds(self._spent[:last], options.warm_up))
        dist.all_reduce(spent)
        if dist.get_rank() == 0:
            seconds = self._seconds[options.warm_up : last]
            mean = spent.item() / dist.get_world_size()
            write_seconds(options.output, seconds, processor_seconds_per_step=mean)
        dist.destroy_process_group()
