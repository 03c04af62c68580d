"""The loaders that `compare_loaders.py` compares: each writes its own files and yields batches.

Every one gives shuffled uint8 tensors (b, 3, size, size) and labels, of the same augmentation, with
`threads` threads or worker processes. Where a loader takes any decoder it gets the fastest of
torchvision's. A loader that cannot be imported says so by ImportError.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.shared.made_shards import store
from mct.base.partition import Share, plan_batches
from mct.data.catalogue import from_rows
from mct.data.imagesets import open_set
from mct.data.layouts.base import Row
from mct.data.loading import BatchReader, Prefetcher
from mct.data.settings import ImageSettings, ShardSettings

CLASSES, SHARDS, MEGABYTE = 10, 4, 1 << 20
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A set of pictures in a folder, and what is wanted of it."""

    folder: Path
    size: int
    augmentation: str
    batch_size: int = 128
    threads: int = 2

    def files(self) -> list[Path]:
        """Return the pictures' files, `<class>/<number>.<ending>`."""
        return sorted((self.folder / "pictures").glob("*/*"))

    def labelled(self) -> Iterator[tuple[Path, int]]:
        """Yield the files with their labels."""
        for path in self.files():
            yield path, int(path.parent.name)

    def transform(self) -> Any:
        """Return torchvision's transform of a uint8 tensor."""
        from torchvision.transforms import v2

        if self.augmentation == "resized_crop":
            crop = v2.RandomResizedCrop(self.size, antialias=True)
        else:
            crop = v2.RandomCrop(self.size, padding=self.size // 8)
        return v2.Compose([crop, v2.RandomHorizontalFlip()])

    def read(self, data: bytes) -> torch.Tensor:
        """Return an encoded picture, decoded by torchvision."""
        from torchvision.io import ImageReadMode, decode_image

        return decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)


class Ours:
    """This project's shards: `encoded` or, for tiny pictures, `pixels`."""

    def write(self, task: Task) -> None:
        """Write the shards."""
        settings = ShardSettings(size=task.size, encoding="auto", short_side=None, quality=95)
        rows = [
            Row(f"{number}", str(path), label, label, True, False, False, False)
            for number, (path, label) in enumerate(task.labelled())
        ]
        store(from_rows(rows), _Files(), settings, task.folder / "ours", SHARDS)

    def batches(self, task: Task) -> Batches:
        """Return the batches of an epoch."""
        return _OurBatches(task)


class _OurBatches:
    def __init__(self, task: Task) -> None:
        self._set = open_set("noisy", task.folder / "ours/labels.parquet")
        settings = ImageSettings(
            size=task.size, augmentation=task.augmentation, mean=(0.5,) * 3, std=(0.25,) * 3
        )
        self._size, count = task.batch_size, task.threads
        self._reader = BatchReader(self._set, settings, seed=0, share=Share(threads=count))

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        plans = plan_batches(len(self._set), len(self._set), self._size)
        for batch in Prefetcher(2, self._reader.cancel).map(self._reader.read, plans):
            yield batch.images, batch.labels


class _Files:
    def read(self, path: str) -> bytes:
        return Path(path).read_bytes()


def torch_loader(dataset: Any, task: Task, **options: Any) -> Batches:
    """Return torch's DataLoader with worker processes."""
    return torch.utils.data.DataLoader(
        dataset, num_workers=task.threads, batch_size=task.batch_size,
        persistent_workers=True, **options,
    )  # fmt: skip


class ImageFolder:
    """torch's DataLoader over an image folder, decoded to tensors by torchvision.io."""

    def write(self, task: Task) -> None:
        """Do nothing: it reads the pictures' files."""

    def batches(self, task: Task) -> Batches:
        """Return the batches of an epoch."""
        from torchvision.datasets import ImageFolder as Folder

        dataset = Folder(
            str(task.folder / "pictures"),
            loader=lambda path: task.read(Path(path).read_bytes()),
            transform=task.transform(),
        )
        return torch_loader(dataset, task, shuffle=True)


class ImageFolderPillow(ImageFolder):
    """torch's DataLoader over an image folder as in torchvision's tutorials: by Pillow."""

    def batches(self, task: Task) -> Batches:
        """Return the batches of an epoch."""
        from torchvision.datasets import ImageFolder as Folder
        from torchvision.transforms import v2

        transform = v2.Compose([task.transform(), v2.PILToTensor()])
        dataset = Folder(str(task.folder / "pictures"), transform=transform)
        return torch_loader(dataset, task, shuffle=True)


class WebDataset:
    """webdataset: tar files, a buffer of 1,000 samples to shuffle in."""

    def write(self, task: Task) -> None:
        """Write the tar files."""
        import webdataset

        (task.folder / "tar").mkdir()
        count = -(-len(task.files()) // SHARDS)
        order = np.random.default_rng(0).permutation(len(task.files()))
        labelled = list(task.labelled())
        pattern = str(task.folder / "tar" / "%04d.tar")
        with webdataset.ShardWriter(pattern, maxcount=count, verbose=0) as writer:
            for number in order:
                path, label = labelled[number]
                writer.write({"__key__": f"{number:06d}", "bin": path.read_bytes(), "cls": label})

    def batches(self, task: Task) -> Batches:
        """Return the batches of an epoch; workers batch what they read themselves."""
        import webdataset

        transform = task.transform()
        paths = [str(path) for path in sorted((task.folder / "tar").glob("*.tar"))]
        dataset = (
            webdataset.WebDataset(paths, shardshuffle=SHARDS, empty_check=False)
            .shuffle(1000)
            .map(lambda s: (transform(task.read(s["bin"])), int(s["cls"])))
            .batched(task.batch_size, collation_fn=torch.utils.data.default_collate)
        )
        return webdataset.WebLoader(
            dataset, num_workers=task.threads, batch_size=None, persistent_workers=True
        )


class Streaming:
    """mosaicml-streaming: MDS files on the local disk."""

    def write(self, task: Task) -> None:
        """Write the MDS files."""
        from streaming import MDSWriter

        columns = {"picture": "bytes", "label": "int"}
        with MDSWriter(out=str(task.folder / "mds"), columns=columns) as writer:
            for path, label in task.labelled():
                writer.write({"picture": path.read_bytes(), "label": label})

    def batches(self, task: Task) -> Batches:
        """Return the batches of an epoch."""
        from streaming import StreamingDataset
        from streaming.base.util import clean_stale_shared_memory

        clean_stale_shared_memory()
        transform = task.transform()

        class Pictures(StreamingDataset):
            def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
                sample = super().__getitem__(index)
                return transform(task.read(sample["picture"])), sample["label"]

        dataset = Pictures(local=str(task.folder / "mds"), shuffle=True, batch_size=task.batch_size)
        return torch_loader(dataset, task)


class FFCV:
    """ffcv: one .beton file; it encodes the JPEGs anew, and resizes by OpenCV's area method."""

    def write(self, task: Task) -> None:
        """Write the .beton file."""
        from ffcv.fields import IntField, RGBImageField
        from ffcv.writer import DatasetWriter
        from torchvision.datasets import ImageFolder as Folder

        mode = "jpg" if task.augmentation == "resized_crop" else "raw"
        fields = {"image": RGBImageField(write_mode=mode, jpeg_quality=90), "label": IntField()}
        writer = DatasetWriter(str(task.folder / "ffcv.beton"), fields, num_workers=task.threads)
        writer.from_indexed_dataset(Folder(str(task.folder / "pictures")))

    def batches(self, task: Task) -> Batches:
        """Return the batches of an epoch."""
        from ffcv.fields.decoders import (
            IntDecoder,
            RandomResizedCropRGBImageDecoder,
            SimpleRGBImageDecoder,
        )
        from ffcv.loader import Loader, OrderOption
        from ffcv.transforms import (
            RandomHorizontalFlip,
            RandomTranslate,
            Squeeze,
            ToTensor,
            ToTorchImage,
        )

        if task.augmentation == "resized_crop":
            views = [RandomResizedCropRGBImageDecoder((task.size, task.size))]
        else:
            views = [SimpleRGBImageDecoder(), RandomTranslate(padding=task.size // 8)]
        finish = [ToTensor(), ToTorchImage(convert_back_int16=False)]
        return Loader(
            str(task.folder / "ffcv.beton"), batch_size=task.batch_size, order=OrderOption.RANDOM,
            num_workers=task.threads, os_cache=True, drop_last=False,
            pipelines={
                "image": [*views, RandomHorizontalFlip(), *finish],
                "label": [IntDecoder(), ToTensor(), Squeeze()],
            },
        )  # fmt: skip


LOADERS = {
    "ours": Ours,
    "torch DataLoader": ImageFolder,
    "torch DataLoader, Pillow": ImageFolderPillow,
    "webdataset": WebDataset,
    "mosaicml-streaming": Streaming,
    "ffcv": FFCV,
}
