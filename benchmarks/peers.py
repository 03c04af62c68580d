"""What both peers share: options, torch's DataLoader over an image folder, and their report."""

import argparse
from pathlib import Path

import torch
import torch.distributed as dist
from step_data import write_seconds
from torch.utils.data import DataLoader, DistributedSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from mct.pictures import decode


def parse_options(description: str | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="image folder, <class>/<picture>")
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, required=True, help="pixels")
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True, help="samples a rank")
    parser.add_argument("--warm-up", type=int, default=1, help="steps that are not reported")
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


def report_seconds(options: argparse.Namespace, seconds: list[float]) -> None:
    """Write the seconds of each step after the warm-up, from rank 0."""
    if dist.get_rank() == 0:
        write_seconds(options.output, seconds[options.warm_up :])
    dist.destroy_process_group()
