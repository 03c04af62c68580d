"""Lists of the published size of data sets, without a picture."""

from pathlib import Path

from trees import write_lines

CLOTHING1M = {"noisy": 1_000_000, "clean": 47_570, "val": 14_313, "test": 10_526}
NOISY_TOO = 25_000
"""Clean pictures that have an observed label as well; 37,497 of all sets in the original."""


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
