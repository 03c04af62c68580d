"""Which pictures a made data set has: their sets, labels, copies and damages."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from garments.labels import draw_labels, draw_resembled
from garments.looks import NAMES
from mct.base.errors import UserError

HIGHEST_RATE = 0.9
PLAN_STREAM, PICTURE_STREAM = 0, 1
DAMAGES = ("none", "empty", "cut", "text", "headless")
"""What is wrong with a file, by number."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The data set that is asked for; all but the rate and the seed are numbers of pictures."""

    noisy: int
    clean: int
    both: int
    """Pictures of the clean set that are in the noisy one too."""
    validation: int
    test: int
    duplicates: int
    """Pictures of the noisy set whose file is that of another picture."""
    broken: int
    """Pictures of the noisy set that no program can read."""
    noise_rate: float
    """Share of wrong labels in the noisy set."""
    seed: int

    def check(self) -> None:
        """Raise UserError unless the numbers fit together."""
        for name in ("noisy", "clean", "validation", "test"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}: expected 1 picture or more, got {getattr(self, name)}")
        for name in ("both", "duplicates", "broken", "seed"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}: expected 0 or more, got {getattr(self, name)}")
        if self.both > min(self.clean, self.noisy):
            raise UserError(
                f"--both: expected at most --clean ({self.clean}) and --noisy ({self.noisy}) pictures, "
                f"got {self.both}"
            )
        spoilt, room = self.duplicates + self.broken, self.noisy - self.both
        if spoilt > room:
            raise UserError(
                f"--duplicates and --broken: expected at most {room} together, the noisy pictures that "
                f"are not in the clean set, got {spoilt}"
            )
        if not 0 <= self.noise_rate <= HIGHEST_RATE:
            raise UserError(f"--noise-rate: expected 0 to {HIGHEST_RATE}, got {self.noise_rate:g}")

    def sets(self) -> dict[str, range]:
        """Return the numbers of the pictures of each set; those in both sets lie between."""
        alone = self.noisy - self.both
        edges = np.cumsum([alone, self.clean, self.validation, self.test]).tolist()
        return {
            "noisy": range(self.noisy),
            "clean": range(alone, edges[1]),
            "validation": range(edges[1], edges[2]),
            "test": range(edges[2], edges[3]),
        }


@dataclass(frozen=True)
class Plan:
    """Every picture of a data set; arrays of shape (n,), of the noisy set for `observed`."""

    true: NDArray[np.int64]
    resembled: NDArray[np.int64]
    ambiguity: NDArray[np.float64]
    observed: NDArray[np.int64]
    source: NDArray[np.int64]
    """The picture whose file this one's is: itself, unless it is a duplicate."""
    damage: NDArray[np.int64]
    """Places in DAMAGES."""


def make_plan(request: Request) -> Plan:
    """Return the pictures that a request asks for, drawn by its seed."""
    generator = np.random.default_rng([request.seed, PLAN_STREAM])
    count = request.sets()["test"].stop
    true = generator.integers(len(NAMES), size=count)
    resembled = draw_resembled(true, generator)
    ambiguity = generator.random(count)
    source, damage = draw_spoilt(request, count, generator)
    true, resembled, ambiguity = true[source], resembled[source], ambiguity[source]
    noisy = slice(request.noisy)
    observed = draw_labels(
        true[noisy], resembled[noisy], ambiguity[noisy], request.noise_rate, generator
    )
    return Plan(true, resembled, ambiguity, observed, source, damage)


def draw_spoilt(
    request: Request, count: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the source and the damage of each picture, shape (n,).

    Duplicates are copies of a test, a validation and a noisy picture in turn, as far as there is a
    noisy picture that is neither broken nor a duplicate.
    """
    sets = request.sets()
    shuffled = generator.permutation(request.noisy - request.both)
    duplicates, broken, sound = np.split(
        shuffled, [request.duplicates, request.duplicates + request.broken]
    )
    source, damage = np.arange(count), np.zeros(count, np.int64)
    pools = [np.array(sets["test"]), np.array(sets["validation"]), sound]
    pools = [pool for pool in pools if len(pool)]
    for turn, position in enumerate(duplicates):
        source[position] = generator.choice(pools[turn % len(pools)])
    damage[broken] = 1 + np.arange(len(broken)) % (len(DAMAGES) - 1)
    return source, damage
