"""How many ranks, threads and samples each training of an experiment has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mct.base.partition import divide_ranks, samples_of
from mct.experiment.method import Config
from mct.experiment.methods import TRAININGS
from mct.experiment.pair import PRETRAININGS


@dataclass(frozen=True)
class Ranks:
    """Ranks of stages by the resolved configuration; `read_sizes` returns the sizes of all sets."""

    config: Config
    read_sizes: Callable[[], Mapping[str, int]]

    def samples(self, method: str) -> int:
        """Return how many samples a training sees, all its models together."""
        sizes = self.read_sizes()
        return sum(samples_of(part, sizes) for part in TRAININGS[method].epochs(self.config))

    def of_training(self, method: str, ranks: str) -> int:
        """Return the ranks of a training of one model in a run of `ranks`.

        The two pretraining jobs share them by the ratio of their work; a baseline has all, or as
        many as one model of the pair.
        """
        if method not in PRETRAININGS:
            return int(ranks) // (2 if self.config["baselines"]["ranks"] == "half" else 1)
        one, other = map(self.samples, PRETRAININGS)
        return divide_ranks(int(ranks), (one, other))[list(PRETRAININGS).index(method)]

    def cores_of_training(self, method: str, ranks: str) -> int:
        """Return the cores that a training of one model in a run of `ranks` keeps busy."""
        return self.cores(self.of_training(method, ranks))

    def cores(self, ranks: int | str) -> int:
        """Return the cores that a stage of `ranks` ranks keeps busy."""
        return int(ranks) * self.cores_per_rank

    @property
    def cores_per_rank(self) -> int:
        """The cores of each rank: as many as compute, or as many as decode where that is more."""
        execution = self.config["execution"]
        return max(execution["threads_per_rank"], execution["loader_threads"])
