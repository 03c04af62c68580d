"""The methods of the accuracy table: what each trains on, for how long, and with which settings.

Equal terms: the deployed model of every baseline sees as many samples as that of method `mct` (to
within the clean ones of a partial batch an epoch), with the same shape of schedule;
`noise_only_compute` instead gets all samples that MCT's two models process.
Models that a method needs before (its pair's pretraining, the net that estimates a confusion) count as
the method's compute. A row with fine-tuning sees that in addition to what the row without it sees.

No stage imports this module, so that a new method reruns nothing of the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.base.partition import divide_ranks, samples_of
from mct.base.roles import ROLES, Role
from mct.calibration.settings import CalibrationSettings
from mct.data.layouts.base import Layout
from mct.experiment import ensembles
from mct.experiment.baselines import BASELINES, FINETUNED, finetuned_name
from mct.experiment.ensembles import ENSEMBLES
from mct.experiment.method import Config, Method, Training, with_batch
from mct.experiment.pair import CALIBRATIONS, PRETRAININGS, Calibration
from mct.experiment.variants import ELSEWHERE, put_in, vary
from mct.learning.settings import TrainingSettings

METHODS: dict[str, Method] = {**BASELINES, **CALIBRATIONS, **FINETUNED, **ENSEMBLES}
ALONE: dict[str, Training] = {**PRETRAININGS, **BASELINES, **FINETUNED}
TRAININGS: dict[str, Method] = {**PRETRAININGS, **METHODS}


def find(config: Config, name: str) -> Method:
    """Return what is trained under a name: a pretraining, a method, or a variant of one."""
    if name in ENSEMBLES:
        return ensembles.find(config, name)
    of, owner = _origin(config, name)
    if not owner:
        return TRAININGS[of]
    variant = config["variants"][owner]
    if of in PRETRAININGS:
        title = f"{PRETRAININGS[of].title}, for {variant['title']}"
        return vary(PRETRAININGS[of], name, {**variant, "title": title}, {})
    renamed = {
        f"pretrain_{role}": f"pretrain_{role}{own_suffix(config, name, role)}" for role in ROLES
    }
    return vary(METHODS[of], name, variant, renamed)


def _origin(config: Config, name: str) -> tuple[str, str]:
    """Return what a training is a variant's form of, and that variant; itself and nothing otherwise."""
    variants = config.get("variants", {})
    if name in variants:
        return variants[name]["of"], name
    owners = {f"{each}_{variant}": (each, variant) for each in PRETRAININGS for variant in variants}
    return owners.get(name, (name, ""))


def config_for(config: Config, name: str) -> Config:
    """Return the configuration that a training sees: a variant's sections are in place."""
    owner = _origin(config, name)[1]
    return put_in(config, config["variants"][owner]) if owner else config


def own_suffix(config: Config, name: str, *roles: str) -> str:
    """Return what the names of the pretrainings of some roles that a row uses end with.

    That is nothing, unless a variant changes what they depend on. Variants that change it alike share
    them, under the name of the first one.
    """
    variants = config.get("variants", {})
    if not {"pretraining", "optimizer"} & {*variants.get(name, {})}:
        return ""
    wanted = _pretraining_settings(config, name, roles)
    if wanted == _pretraining_settings(config, "", roles):
        return ""
    alike = (
        other
        for other in variants
        if _needs(config, other, roles) and _pretraining_settings(config, other, roles) == wanted
    )
    return f"_{next(alike, name)}"


def _pretraining_settings(config: Config, name: str, roles: Sequence[str]) -> list[dict[str, Any]]:
    own = with_batch(config_for(config, name), 1)
    return [PRETRAININGS[f"pretrain_{role}"].settings(own, 0) for role in roles]


def _needs(config: Config, variant: str, roles: Sequence[str]) -> bool:
    """Return whether a variant needs the pretrainings of some roles, whosever they are."""
    method = METHODS[config["variants"][variant]["of"]]
    needed = method.preparations(config_for(config, variant))
    return {f"pretrain_{role}" for role in roles} <= {*needed}


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

    Variants come last, and their pretrainings after the shared ones.
    """
    needed = {name for method in rows_of(config) for name in trainings_of(config, method)}
    variants = config.get("variants", {})
    own = [f"{each}_{variant}" for variant in variants for each in PRETRAININGS]
    return [name for name in (*PRETRAININGS, *own, *METHODS, *variants) if name in needed]


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
        if method.confusion_kind(config) == "solved" and own_suffix(config, name, Role.AUXILIARY):
            raise UserError(
                f"variants.{name}: a `solved` confusion is from the pretrained Ma that all rows share, and "
                f"this variant changes it; set {method.confusion_key} to another source, or {ELSEWHERE}"
            )
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
        return sum(samples_of(part, sizes) for part in find(self.config, method).epochs(config))

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

    def batches(self) -> Iterator[tuple[Config, int]]:
        """Yield the keys of `optimizer` and the ranks of the model, for each training of each run."""
        for ranks in map(str, self.config["ranks"]):
            for method in needed_trainings(self.config):
                own = self.replicas(method, ranks)
                yield with_batch(config_for(self.config, method), own)["optimizer"], own

    def of_training(self, method: str, ranks: str) -> int:
        """Return the ranks of a training of one model in a run of `ranks`.

        The two pretraining jobs share them by the ratio of their work; a baseline has all, or as
        many as one model of the pair.
        """
        of, _ = _origin(self.config, method)
        if of not in PRETRAININGS:
            config = config_for(self.config, method)
            return int(ranks) // (2 if config["baselines"]["ranks"] == "half" else 1)
        suffix = method.removeprefix(of)
        one, other = (self.samples(f"{name}{suffix}", ranks) for name in PRETRAININGS)
        return divide_ranks(int(ranks), (one, other))[list(PRETRAININGS).index(of)]

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
