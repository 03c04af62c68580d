"""Data sets in people's arrangements, made of small pictures that a net can tell apart."""

from pathlib import Path

import numpy as np
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
