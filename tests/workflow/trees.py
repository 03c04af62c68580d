"""Data sets in people's arrangements, made of small pictures that a net can tell apart."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

CLASSES = ("stripes", "bars", "checks")
SIZES = {"noisy": 60, "clean": 18, "validation": 9, "test": 30}


def draw_picture(label: int, size: int, generator: np.random.Generator) -> Image.Image:
    """Return stripes, bars or checks of random phase and colour, with noise."""
    rows, columns = np.indices((size, size)) + generator.integers(0, 8, 2)[:, None, None]
    waves = [rows // 2 % 2, columns // 2 % 2, (rows // 2 + columns // 2) % 2]
    pixels = 60 + 130 * waves[label][..., None] * generator.uniform(0.6, 1, 3)
    return Image.fromarray(
        (pixels + generator.normal(0, 10, pixels.shape)).clip(0, 255).astype(np.uint8)
    )


def write_clothing1m(root: Path, *, size: int = 16, seed: int = 0) -> Path:
    """Write JPEG files and lists like Clothing1M's; clean pictures are in the noisy set as well."""
    generator = np.random.default_rng(seed)
    counts = {name: count for name, count in SIZES.items() if name != "clean"}
    keys = {name: [f"images/{name[0]}/{i:04d}.jpg" for i in range(n)] for name, n in counts.items()}
    keys["clean"] = keys["noisy"][: SIZES["clean"]]
    true = {key: int(generator.integers(3)) for names in keys.values() for key in names}
    for key, label in true.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        draw_picture(label, size, generator).save(root / key, quality=90)
    wrong = {key: (true[key] + generator.integers(1, 3)) % 3 for key in keys["noisy"]}
    observed = {key: wrong[key] if generator.random() < 0.3 else true[key] for key in keys["noisy"]}
    held = [key for name in ("clean", "validation", "test") for key in keys[name]]
    lists = {
        "noisy_train": "noisy",
        "clean_train": "clean",
        "clean_val": "validation",
        "clean_test": "test",
    }
    for file, name in lists.items():
        write_lines(root / f"{file}_key_list.txt", keys[name])
    write_lines(root / "noisy_label_kv.txt", [f"{key} {label}" for key, label in observed.items()])
    write_lines(root / "clean_label_kv.txt", [f"{key} {true[key]}" for key in held])
    write_lines(root / "category_names_eng.txt", list(CLASSES))
    return root


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def write_pictures(root: Path, labels: dict[str, int], *, size: int = 16, seed: int = 0) -> None:
    """Write a picture of its class at each path below the root; other seeds, other pictures."""
    generator = np.random.default_rng(seed)
    for path, label in labels.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        draw_picture(label % 3, size, generator).save(root / path, format="JPEG", quality=90)


def write_list(path: Path, lines: list[str]) -> None:
    """Write a list, in a folder that may have to be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lines(path, lines)


def write_webvision(root: Path, *, classes: int = 3, per_class: int = 4) -> Path:
    """Write a tree like WebVision 1.0's: `per_class` of Google's, of Flickr's, and 10 held out."""
    synsets = [f"n{label:08d} {CLASSES[label % 3]}{label}, synonym" for label in range(classes)]
    write_list(root / "info/synsets.txt", synsets)
    for seed, source in enumerate(("google", "flickr")):
        labels = {
            f"{source}/q{label:04d}/{number}.jpg": label
            for label in range(classes)
            for number in range(per_class)
        }
        lines = [f"{path} {label}" for path, label in labels.items()]
        write_list(root / f"info/train_filelist_{source}.txt", lines)
        write_pictures(root, labels, seed=seed)
    held_out = {f"val{i:06d}.jpg": i % classes for i in range(10 * classes)}
    write_list(root / "info/val_filelist.txt", [f"{key} {n}" for key, n in held_out.items()])
    write_pictures(root / "val_images_256", held_out, seed=2)
    return root


def write_food101n(root: Path, *, header: bool = True) -> Path:
    """Write a tree like Food-101N's with Food-101 in `food-101/`: 6 pictures a class.

    Pictures 0 (right) and 1 (wrong) of each class are verified for training, 2 (right) and 3
    (wrong) for validation; Food-101 tests on 2 of each class.
    """
    keys = [f"{name}/{number}.jpg" for name in CLASSES for number in range(6)]
    verified = {"train": (0, 1), "val": (2, 3)}
    write_list(root / "meta/classes.txt", (["class_name"] if header else []) + list(CLASSES))
    write_list(root / "meta/imagelist.tsv", ["class_name/key", *keys])
    for part, (right, wrong) in verified.items():
        pairs = [(right, 1), (wrong, 0)]
        lines = [f"{name}/{number}.jpg\t{label}" for name in CLASSES for number, label in pairs]
        head = "class_name/key\tverification_label"
        write_list(root / f"meta/verified_{part}.tsv", [head, *lines])
    write_pictures(root / "images", {key: CLASSES.index(key.split("/")[0]) for key in keys})
    tested = [f"{name}/{number}" for name in CLASSES for number in (0, 7)]
    write_list(root / "food-101/meta/test.txt", tested)
    labels = {f"{key}.jpg": CLASSES.index(key.split("/")[0]) for key in tested}
    write_pictures(root / "food-101/images", labels, seed=1)
    return root


def write_animal10n(root: Path) -> Path:
    """Write a tree like ANIMAL-10N's: two training and three testing pictures a class."""
    for seed, (folder, count) in enumerate((("training", 2), ("testing", 3))):
        labels = {
            f"{label}_{number:03d}.jpg": label for label in range(10) for number in range(count)
        }
        write_pictures(root / folder, labels, seed=seed)
    return root


def write_image_folder(root: Path, **counts: int) -> Path:
    """Write folders of classes with as many pictures a class as told."""
    counts = counts or {"train": 4, "clean": 2, "validation": 2, "test": 2}
    for seed, (folder, count) in enumerate(counts.items()):
        for label, name in enumerate(CLASSES):
            paths = {f"{folder}/{name}/{number}.jpg": label for number in range(count)}
            write_pictures(root, paths, seed=seed)
    return root


def write_table(root: Path, *, name: str = "table.csv", named: bool = True) -> Path:
    """Write a table of 8 training, 2 validation and 2 test pictures; half of training is verified."""
    rows, labels = [["path", "label", "true_label", "split"]], {}
    for number in range(12):
        split = "train" if number < 8 else "validation" if number < 10 else "test"
        path, true, observed = f"pictures/{number}.jpg", number % 3, (number + number // 6) % 3
        spelled = [CLASSES[label] if named else str(label) for label in (observed, true)]
        known = spelled[1] if number < 4 or split != "train" else ""
        rows.append([path, spelled[0] if split == "train" else "", known, split])
        labels[path] = true
    separator = "\t" if name.endswith(".tsv") else ","
    write_list(root / name, [separator.join(row) for row in rows])
    write_pictures(root, labels)
    return root


def write_cifar(root: Path, *, classes: int = 10, per_batch: int = 10) -> Path:
    """Write batches like CIFAR's and human labels like CIFAR-N's, of which every third is wrong.

    `classes` is 10 or 100. The pictures are noise; that at place i of a batch is of class i % classes.
    """
    ten = classes == 10
    folder = root / ("cifar-10-batches-py" if ten else "cifar-100-python")
    names = [f"data_batch_{n}" for n in range(1, 6)] if ten else ["train"]
    key = b"labels" if ten else b"fine_labels"
    folder.mkdir(parents=True)
    labels = [i % classes for i in range(per_batch)]
    for seed, name in enumerate([*names, "test_batch" if ten else "test"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (per_batch, 3072), np.uint8)
        (folder / name).write_bytes(pickle.dumps({b"data": pixels, key: labels}, protocol=2))
    spelled = [f"class{label}".encode() for label in range(classes)]
    meta = {b"label_names" if ten else b"fine_label_names": spelled}
    (folder / ("batches.meta" if ten else "meta")).write_bytes(pickle.dumps(meta, protocol=2))
    true = np.array(labels * len(names))
    human = {"clean_label": true}
    for name in ("worse_label", "aggre_label") if ten else ("noisy_label",):
        human[name] = np.where(np.arange(len(true)) % 3 == 0, (true + 1) % classes, true)
    (root / f"CIFAR-{classes}_human.pt").write_bytes(pickle.dumps(human, protocol=2))
    return root


def encode_picture(label: int, generator: np.random.Generator, *, size: int = 16) -> bytes:
    """Return a picture of its class as a JPEG."""
    buffer = io.BytesIO()
    draw_picture(label % 3, size, generator).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def write_parquet(root: Path, *, verified: bool = True, **counts: int) -> Path:
    """Write Parquet files like the hub's, two of training; every third of its labels is wrong.

    Its metadata name the classes. Half of training has a true label if it is `verified`.
    """
    import polars

    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": CLASSES}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    counts = counts or {"train": 8, "validation": 4, "test": 4}
    generator = np.random.default_rng(0)
    for name, count in counts.items():
        for part in range(2 if name == "train" else 1):
            true = [number % 3 for number in range(count)]
            columns = {
                "image": [{"bytes": encode_picture(n, generator), "path": None} for n in true],
                "label": [(n + (i % 3 == 2 and name == "train")) % 3 for i, n in enumerate(true)],
            }
            if verified and name == "train":
                columns["true_label"] = [n if i % 2 else None for i, n in enumerate(true)]
            path = root / f"data/{name}-{part:05d}-of-{1 + (name == 'train'):05d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            table = polars.DataFrame(columns, schema_overrides={"label": polars.Int64})
            table.write_parquet(path, row_group_size=3, metadata=metadata)
    return root


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    """Write a tar of files, in a folder that may have to be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def write_webdataset(root: Path, *, verified: bool = True, **counts: int) -> Path:
    """Write tars of samples, two of training; every third of its labels is wrong.

    Training has JSON files with names of classes, the other sets `.cls`. Half of training has a true
    label if it is `verified`.
    """
    counts = counts or {"train": 8, "validation": 4, "test": 4}
    generator = np.random.default_rng(0)
    for name, count in counts.items():
        for part in range(2 if name == "train" else 1):
            files: dict[str, bytes] = {}
            for number in range(count):
                true, key = CLASSES[number % 3], f"{part}{number:04d}"
                files[f"{key}.jpg"] = encode_picture(number, generator)
                if name == "train":
                    entry = {"label": CLASSES[(number + (number % 3 == 2)) % 3]}
                    entry |= {"true_label": true} if verified and number % 2 else {}
                    files[f"{key}.json"] = json.dumps(entry).encode()
                else:
                    files[f"{key}.cls"] = true.encode()
            write_tar(root / f"{name}-{part:06d}.tar", files)
    return root


TREES: dict[str, Callable[..., Path]] = {
    "clothing1m": write_clothing1m,
    "webvision": write_webvision,
    "food101n": write_food101n,
    "cifar_n": write_cifar,
    "animal10n": write_animal10n,
    "image_folder": write_image_folder,
    "table": write_table,
    "parquet": write_parquet,
    "webdataset": write_webdataset,
}
"""What writes a small tree of each layout that consists of files."""


def write_tree_of(config: Path, root: Path) -> str:
    """Write a small tree of a configuration's layout; return the setting that points there."""
    layout = yaml.safe_load(config.read_text()).get("dataset", {}).get("layout", "digits")
    if layout not in TREES:
        return f"dataset={{layout: {layout}}}"
    TREES[layout](root)
    tested = f", test_root: {root}/food-101" if layout == "food101n" else ""
    return f"dataset={{root: {root}{tested}}}"
