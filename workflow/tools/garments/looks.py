"""What the 14 classes of Clothing1M look like here, and which of them look alike."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Look(NamedTuple):
    """The features of a garment as numbers, so that two looks can be mixed.

    Lengths are in units of a torso; what stands after `hue` is a strength from 0 to 1.
    """

    length: float
    shoulder: float
    """Half of the width there, as for waist and hem."""
    waist: float
    hem: float
    sleeve: float
    thickness: float
    """Half of a sleeve's width."""
    neck_depth: float
    neck_width: float
    value: float
    """Lightness, 0 to 1."""
    saturation: float
    hue: float
    """Preferred hue, radians in the plane of Cb and Cr."""
    point: float = 0
    """Whether the neckline is a V."""
    hood: float = 0
    front: float = 0
    """A line down the front: a zip or buttons."""
    buttons: float = 0
    lapel: float = 0
    quilt: float = 0
    knit: float = 0
    rib: float = 0
    """A band of ribs at the hem."""
    collar: float = 0
    pocket: float = 0
    fringe: float = 0
    gap: float = 0
    """Bare skin between an upper and a lower piece."""
    sheer: float = 0
    gloss: float = 0
    pattern: float = 0


LOOKS = {
    "T-Shirt": Look(
        0.95, 0.40, 0.37, 0.39, 0.20, 0.13, 0.11, 0.16, 0.65, 0.6, 0.0, rib=0.1, pattern=0.7,
    ),
    "Shirt": Look(
        1.10, 0.38, 0.36, 0.38, 0.76, 0.10, 0.13, 0.09, 0.80, 0.3, 0.3, point=0.9, front=0.9,
        buttons=0.9, collar=1, pocket=0.3, pattern=0.5,
    ),
    "Knitwear": Look(
        1.05, 0.41, 0.42, 0.45, 0.70, 0.13, 0.24, 0.18, 0.62, 0.4, 2.4, point=0.8, front=0.3,
        buttons=0.4, knit=1, rib=0.4, pattern=0.1,
    ),
    "Chiffon": Look(
        1.00, 0.36, 0.40, 0.52, 0.48, 0.18, 0.15, 0.17, 0.85, 0.4, 1.7, point=0.3, sheer=0.9,
        gloss=0.2, pattern=0.6,
    ),
    "Sweater": Look(
        0.92, 0.43, 0.43, 0.40, 0.76, 0.14, 0.06, 0.13, 0.50, 0.5, 2.0, knit=0.5, rib=1,
        pattern=0.6,
    ),
    "Hoodie": Look(
        1.00, 0.43, 0.43, 0.42, 0.76, 0.15, 0.08, 0.12, 0.42, 0.35, 4.0, hood=1, front=0.3, rib=0.8,
        pocket=1, pattern=0.2,
    ),
    "Windbreaker": Look(
        1.00, 0.45, 0.45, 0.46, 0.78, 0.16, 0.04, 0.11, 0.55, 1.0, 5.0, hood=0.4, front=1,
        collar=0.5, pocket=0.4, gloss=0.9, pattern=0.3,
    ),
    "Jacket": Look(
        0.80, 0.42, 0.38, 0.38, 0.76, 0.12, 0.20, 0.14, 0.30, 0.35, 1.9, point=0.6, front=0.9,
        lapel=0.35, rib=0.3, collar=0.6, pocket=0.7, gloss=0.5,
    ),
    "Downcoat": Look(
        1.35, 0.48, 0.48, 0.52, 0.78, 0.18, 0.04, 0.13, 0.40, 0.5, 5.4, hood=0.6, front=0.8,
        quilt=1, gloss=0.4,
    ),
    "Suit": Look(
        1.15, 0.42, 0.37, 0.42, 0.80, 0.11, 0.42, 0.13, 0.18, 0.12, 5.8, point=1, front=0.7,
        buttons=0.4, lapel=1, pocket=0.5,
    ),
    "Shawl": Look(
        0.80, 0.26, 0.52, 0.72, 0.00, 0.10, 0.10, 0.14, 0.58, 0.6, 2.6, point=0.8, knit=0.3,
        fringe=1, sheer=0.2, pattern=0.8,
    ),
    "Dress": Look(
        1.80, 0.33, 0.27, 0.60, 0.12, 0.10, 0.18, 0.17, 0.60, 0.65, 1.2, point=0.4, sheer=0.2,
        gloss=0.2, pattern=0.6,
    ),
    "Vest": Look(
        1.00, 0.27, 0.34, 0.37, 0.00, 0.08, 0.26, 0.17, 0.68, 0.35, 3.2, point=0.1, rib=0.2,
        pattern=0.3,
    ),
    "Underwear": Look(
        0.75, 0.24, 0.30, 0.17, 0.00, 0.06, 0.22, 0.15, 0.72, 0.55, 1.5, point=0.7, gap=1,
        gloss=0.2, pattern=0.3,
    ),
}  # fmt: skip
"""The mean look of each class, in the order of Clothing1M's numbers."""
NAMES = list(LOOKS)
LOOK_ARRAY = np.array(list(LOOKS.values()))
"""Shape (classes, features)."""

SPREAD = Look(
    0.08, 0.03, 0.03, 0.04, 0.06, 0.02, 0.03, 0.02, 0.09, 0.12, 0.5, point=0.2, hood=0.1, front=0.2,
    buttons=0.2, lapel=0.1, quilt=0.15, knit=0.15, rib=0.2, collar=0.2, pocket=0.3, fringe=0.15,
    gap=0.1, sheer=0.15, gloss=0.2, pattern=0.35,
)  # fmt: skip
"""Standard deviations within a class."""
STRENGTHS = slice(Look._fields.index("point"), None)

PATTERNS = {
    "T-Shirt": ("print", "print", "rows", "plain"),
    "Shirt": ("checks", "columns", "plain"),
    "Knitwear": ("plain", "plain", "rows"),
    "Chiffon": ("flowers", "dots", "plain"),
    "Sweater": ("rows", "rows", "checks", "plain"),
    "Hoodie": ("print", "plain"),
    "Windbreaker": ("blocks", "blocks", "plain"),
    "Jacket": ("plain", "plain", "columns"),
    "Downcoat": ("plain", "blocks"),
    "Suit": ("plain", "plain", "columns"),
    "Shawl": ("checks", "flowers", "rows"),
    "Dress": ("flowers", "dots", "columns", "plain"),
    "Vest": ("plain", "rows", "print"),
    "Underwear": ("flowers", "plain", "dots"),
}
"""The patterns that a class may have, drawn alike."""

ALIKE = {
    "T-Shirt": ("Vest", "Shirt", "Sweater"),
    "Shirt": ("T-Shirt", "Chiffon", "Jacket"),
    "Knitwear": ("Sweater", "Shawl", "Hoodie"),
    "Chiffon": ("Shirt", "Dress", "T-Shirt"),
    "Sweater": ("Knitwear", "Hoodie", "T-Shirt"),
    "Hoodie": ("Sweater", "Windbreaker", "Jacket"),
    "Windbreaker": ("Jacket", "Downcoat", "Hoodie"),
    "Jacket": ("Windbreaker", "Suit", "Downcoat"),
    "Downcoat": ("Windbreaker", "Jacket", "Hoodie"),
    "Suit": ("Jacket", "Shirt", "Windbreaker"),
    "Shawl": ("Knitwear", "Chiffon", "Dress"),
    "Dress": ("Chiffon", "Shawl", "Underwear"),
    "Vest": ("T-Shirt", "Underwear", "Dress"),
    "Underwear": ("Vest", "Dress", "T-Shirt"),
}
"""The classes that one is taken for, the likeliest first."""
ALIKE_SHARES = (0.5, 0.3, 0.2)
MOST_MIXED = 0.45
"""Weight of the other class in the look of the most ambiguous pictures."""


def draw_look(
    label: int, other: int, ambiguity: float, generator: np.random.Generator
) -> tuple[Look, str]:
    """Return the look and the pattern of one garment of class `label`, which may resemble `other`.

    The looks of both are mixed: the larger `ambiguity`, 0 to 1, the more there is of `other`.
    """
    weight = MOST_MIXED * ambiguity**2
    mean = (1 - weight) * LOOK_ARRAY[label] + weight * LOOK_ARRAY[other]
    look: NDArray[np.float64] = mean + np.array(SPREAD) * generator.standard_normal(len(mean))
    look[STRENGTHS] = np.clip(look[STRENGTHS], 0, 1)
    look = np.maximum(look, np.minimum(mean, 0.04))  # no length below what can be drawn
    kind = other if generator.random() < weight else label
    kinds = PATTERNS[NAMES[kind]]
    return Look(*look.tolist()), kinds[generator.integers(len(kinds))]
