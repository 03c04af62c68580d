"""Lists of the published size of data sets, without a picture."""

from pathlib import Path

from trees import write_lines, write_list

CLOTHING1M = {"noisy": 1_000_000, "clean": 47_570, "val": 14_313, "test": 10_526}
NOISY_TOO = 25_000
"""Clean pictures that have an observed label as well; 37,497 of all sets in the original."""
GOOGLE, FLICKR, HELD_OUT, SYNSETS = 980_449, 1_459_125, 50_000, 1000
"""WebVision 1.0 (Li et al., 2017, Table 1)."""
FOOD, VERIFIED, VERIFIED_HELD_OUT, TESTED, DISHES = 310_009, 52_868, 4741, 25_250, 101
"""Food-101N (Lee et al., CVPR 2018), tested on Food-101."""
ANIMALS, TESTED_ANIMALS = 50_000, 5000
"""ANIMAL-10N (Song et al., ICML 2019)."""


def write_clothing1m_lists(root: Path) -> Path:
    """Write Clothing1M's lists with as many keys as it has, in 14 classes."""
    root.mkdir(parents=True)
    keys = {
        name: [f"images/{name}/{number:07d}.jpg" for number in range(count)]
        for name, count in CLOTHING1M.items()
    }
    keys["clean"][:NOISY_TOO] = keys["noisy"][:NOISY_TOO]
    for name, listed in keys.items():
        file = f"{name}_train" if name in ("noisy", "clean") else f"clean_{name}"
        write_lines(root / f"{file}_key_list.txt", listed)
    held = [key for name in ("clean", "val", "test") for key in keys[name]]
    write_lines(root / "noisy_label_kv.txt", _labelled(keys["noisy"]))
    write_lines(root / "clean_label_kv.txt", _labelled(held))
    write_lines(root / "category_names_eng.txt", [f"class {label}" for label in range(14)])
    return root


def _labelled(keys: list[str]) -> list[str]:
    return [f"{key} {number % 14}" for number, key in enumerate(keys)]


def clothing1m(root: Path) -> str:
    return f"root: {write_clothing1m_lists(root)}"


def webvision(root: Path) -> str:
    write_list(root / "info/synsets.txt", [f"n{i:08d} class{i}, synonym" for i in range(SYNSETS)])
    for source, count in (("google", GOOGLE), ("flickr", FLICKR)):
        lines = [f"{source}/q{i % SYNSETS:04d}/{i}.jpg {i % SYNSETS}" for i in range(count)]
        write_list(root / f"info/train_filelist_{source}.txt", lines)
    held_out = [f"val{i:06d}.jpg {i % SYNSETS}" for i in range(HELD_OUT)]
    write_list(root / "info/val_filelist.txt", held_out)
    return f"root: {root}"


def food101n(root: Path) -> str:
    keys = [f"dish{i % DISHES}/{i}.jpg" for i in range(FOOD)]
    write_list(root / "meta/classes.txt", ["class_name", *(f"dish{i}" for i in range(DISHES))])
    write_list(root / "meta/imagelist.tsv", ["class_name/key", *keys])
    parts = {"train": keys[:VERIFIED], "val": keys[VERIFIED : VERIFIED + VERIFIED_HELD_OUT]}
    for part, verified in parts.items():
        lines = [f"{key}\t{int(i % 5 > 0)}" for i, key in enumerate(verified)]
        head = "class_name/key\tverification_label"
        write_list(root / f"meta/verified_{part}.tsv", [head, *lines])
    tested = [f"dish{i % DISHES}/{i}" for i in range(TESTED)]
    write_list(root / "food-101/meta/test.txt", tested)
    return f"root: {root}, test_root: {root}/food-101"


def animal10n(root: Path) -> str:
    for folder, count in (("training", ANIMALS), ("testing", TESTED_ANIMALS)):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            (root / folder / f"{number % 10}_{number:06d}.jpg").touch()
    return f"root: {root}"


PUBLISHED = {
    "animal10n": animal10n,
    "clothing1m": clothing1m,
    "food101n": food101n,
    "webvision": webvision,
}
"""What writes the lists of a data set, and returns the setting that points there."""
