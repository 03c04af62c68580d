"""The methods of the accuracy table: what each trains on, for how long, and with which settings.

Equal terms: the deployed model of every baseline sees as many samples as that of method `mct` (to
within the clean ones of a partial batch an epoch), with the same shape of schedule;
`noise_only_compute` instead gets all samples that MCT's two models process.
Models that a method needs before (its pair's pretraining, the net that estimates a confusion) count as
the method's compute. A row with fine-tuning sees that in addition to what the row without it sees.

No stage imports this module, so that a new method reruns nothing of the others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.base.partition import divide_ranks, samples_of
from mct.calibration.settings import CalibrationSettings
from mct.data.layouts.base import Layout
from mct.experiment import ensembles
from mct.experiment.baselines import BASELINES, FINETUNED, finetuned_name
from mct.experiment.ensembles import ENSEMBLES
from mct.experiment.method import Config, Method, Training, with_batch
from mct.experiment.pair import CALIBRATIONS, PRETRAININGS, Calibration
from mct.experiment.variants import vary
from mct.learning.settings import TrainingSettings

METHODS: dict[str, Method] = {**BASELINES, **CALIBRATIONS, **FINETUNED, **ENSEMBLES}
ALONE: dict[str, Training] = {**PRETRAININGS, **BASELINES, **FINETUNED}
TRAININGS: dict[str, Method] = {**PRETRAININGS, **METHODS}


def find(config: Config, name: str) -> Method:
    """Return what is trained under a name: a pretraining, a method, or a variant of one."""
    if name in ENSEMBLES:
        return ensembles.find(config, name)
    variant = config.get("variants", {}).get(name)
    return vary(METHODS[variant["of"]], name, variant) if variant else TRAININGS[name]


def find_alone(config: Config, name: str) -> Training:
    """Return the training of one model; not that of a pair."""
    found = find(config, name)
    assert isinstance(found, Training)
    return found


def find_pair(config: Config, name: str) -> Calibration:
    """Return the method that calibrates a pair."""
    found = find(config, name)
    assert isinstance(found, Calibration)
    return found


def is_pair(config: Config, name: str) -> bool:
    """Return whether a method calibrates a pair."""
    return isinstance(find(config, name), Calibration)


def rows_of(config: Config) -> list[str]:
    """Return the methods of the accuracy table: the configured ones, each before its fine-tuning.

    Members of an ensemble come before it, variants last.
    """
    finetuned = config["finetuning"]["methods"]
    rows = []
    for method in dict.fromkeys([*config["methods"], *finetuned]):
        rows += ensembles.shown_before(config, method) if method in ENSEMBLES else []
        rows += [method] * (method in config["methods"])
        rows += [finetuned_name(method)] * (method in finetuned)
    return [*dict.fromkeys(rows), *config.get("variants", {})]


def trainings_of(config: Config, method: str) -> list[str]:
    """Return the trainings that a method consists of, its own last."""
    found = find(config, method)
    return [*found.preparations(config), *([method] if found.trains else [])]


def needed_trainings(config: Config) -> list[str]:
    """Return all trainings that the configured methods consist of, in the order of `TRAININGS`.

    Variants come last.
    """
    needed = {name for method in rows_of(config) for name in trainings_of(config, method)}
    return [name for name in (*TRAININGS, *config.get("variants", {})) if name in needed]


def check_confusions(config: Config, layout: Layout) -> None:
    """Raise UserError where something is to be counted that a layout has no pictures for."""
    lack = (
        "`counted` needs clean pictures whose observed label is known, and layout "
        f"{config['dataset']['layout']} has none"
    )
    if config["dataset"]["noise_rate"] == "counted" and not layout.counts_rate:
        raise UserError(f"dataset.noise_rate: {lack}; give a number")
    for name in needed_trainings(config):
        training = find(config, name)
        if training.confusion_kind(config) == "counted" and not layout.counts_confusion:
            users = [each for each in rows_of(config) if name in trainings_of(config, each)]
            raise UserError(
                f"{training.confusion_key}: {lack}; set it to `solved`, `estimated` or `anchors`, or leave "
                f"{' and '.join(users)} out of `methods`"
            )


def check_methods(config: Config) -> None:
    """Raise UserError where a method names a function, a section or a key that is not there."""
    for name in needed_trainings(config):
        method = find(config, name)
        changes = getattr(method, "changes", {})
        is_alone = isinstance(method, Training)
        sections = config["baselines"] if is_alone else config
        for key in {*changes} - {*config["calibration"]} | {method.section} - {"", *sections}:
            raise UserError(f"method {name}: the configuration has no {key!r}; correct the method")
        settings = method.settings(with_batch(config, 1), 0)  # whatever the batch is
        parse(TrainingSettings if is_alone else CalibrationSettings, settings)


@dataclass(frozen=True)
class Ranks:
    """Ranks of stages by the resolved configuration; `read_sizes` returns the sizes of all sets."""

    config: Config
    read_sizes: Callable[[], Mapping[str, int]]

    def samples(self, method: str, ranks: str) -> int:
        """Return how many samples a training in a run of `ranks` sees, all its models together."""
        sizes, config = self.read_sizes(), self.config_of(ranks)
        return sum(samples_of(part, sizes) for part in find(config, method).epochs(config))

    def config_of(self, ranks: str) -> Config:
        """Return the configuration with the global batch of the pair in a run of `ranks`."""
        return with_batch(self.config, int(ranks) // 2)

    def settings(self, method: str, seed: int, ranks: str) -> dict[str, Any]:
        """Return the settings of a training in a run of `ranks` ranks, as plain data.

        What a baseline sees depends on the batch of the pair, what a step of it sees on its own.
        """
        found = find(self.config, method)
        settings = found.settings(self.config_of(ranks), seed)
        each = self.config["optimizer"]["batch_per_rank"]
        if each is not None and isinstance(found, Training):
            batch = each * self.of_training(method, ranks)
            settings["optimizer"]["batch_size"] = batch
            settings["clean_per_batch"] = found.clean_per_batch(self.config, batch)
        return settings

    def batches(self) -> Iterator[tuple[int, int]]:
        """Yield the global batch and the ranks of the model, for each training of each run."""
        for ranks in map(str, self.config["ranks"]):
            for method in needed_trainings(self.config):
                own = int(ranks) // 2
                if not is_pair(self.config, method):
                    own = self.of_training(method, ranks)
                yield with_batch(self.config, own)["optimizer"]["batch_size"], own

    def of_training(self, method: str, ranks: str) -> int:
        """Return the ranks of a training of one model in a run of `ranks`.

        The two pretraining jobs share them by the ratio of their work; a baseline has all, or as
        many as one model of the pair.
        """
        if method not in PRETRAININGS:
            return int(ranks) // (2 if self.config["baselines"]["ranks"] == "half" else 1)
        one, other = (self.samples(name, ranks) for name in PRETRAININGS)
        return divide_ranks(int(ranks), (one, other))[list(PRETRAININGS).index(method)]

    def replicas(self, method: str, ranks: str) -> int:
        """Return the ranks of one model of a training in a run of `ranks`."""
        return int(ranks) // 2 if is_pair(self.config, method) else self.of_training(method, ranks)

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
