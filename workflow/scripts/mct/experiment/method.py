"""What is trained: the interface of methods and pretrainings, and of a model that is trained alone."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from mct.base.architectures import builder_of
from mct.base.functions import check_name
from mct.base.keys import count_of, parse, pick
from mct.base.roles import PAIR, ROLES, Role
from mct.data.settings import ImageSettings
from mct.learning.settings import ModelSettings, OptimizerSettings, Phase
from mct.stage.closure import code_digest, module_files

Config = Mapping[str, Any]
Epochs = dict[str, float]
"""Epochs by the name of the set whose size they are counted in."""
LOSSES = ("cross_entropy", "forward", "backward", "soft")
CONFUSION_SETS = {"estimated": "clean", "anchors": "noisy"}
"""The set that a net's predictions are averaged on, by the kind of the confusion."""


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """Something that is trained.

    `section` is where the configuration has the method's own settings: of a baseline's confusion and
    clean samples, or what a pair has in place of keys of `calibration`. `roles` are those of the
    models that it makes. Without `trains` it only puts together what others trained.
    """

    name: str
    title: str
    section: str = ""
    roles: tuple[str, ...] = (Role.PRIMARY,)
    trains: bool = True

    @property
    def evaluated_roles(self) -> tuple[str, ...]:
        """The roles that it is evaluated in: each, and both of a pair together."""
        return self.roles if len(self.roles) == 1 else (*self.roles, PAIR)

    @property
    def confusion_key(self) -> str:
        """The key of the configuration that says where its confusion comes from."""
        return f"baselines.{self.section}.confusion"

    def lineage(self, role: str) -> list[str]:
        """Return the trainings that its model of a role went through, its own last."""
        return [self.name]

    def members(self, role: str) -> list[tuple[str, str]]:
        """Return training and role of each model whose predictions are averaged for a role."""
        return [(self.name, each) for each in (ROLES if role == PAIR else (role,))]

    def confusion_kind(self, config: Config) -> str | None:
        """Return where its confusion comes from, None where it uses none."""
        return None

    def preparations(self, config: Config) -> list[str]:
        """Return the trainings whose models it needs, in their order, without its own."""
        return []

    @abstractmethod
    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        """Return epochs at the constant rate and in the decay, in sizes of the named sets.

        For a calibrated pair these are the samples that both models together process. Clean samples
        in a batch of noisy ones count as more epochs.
        """

    @abstractmethod
    def settings(self, config: Config, seed: int) -> dict[str, Any]:
        """Return the settings of its training as plain data."""


@dataclass(frozen=True, kw_only=True)
class Training(Method):
    """One model trained alone; `loss` and `weighting` are those of `TrainingSettings`."""

    training_set: str
    loss: str = "cross_entropy"
    weighting: str = "equal"

    @property
    def start(self) -> str:
        """The method whose model it continues; empty for a start of its own."""
        return ""

    def learning_rates(self, config: Config) -> tuple[float, float]:
        """Return the constant learning rate and the one at the start of the decay."""
        return config["pretraining"]["learning_rate"], decay_rate(config, self.name)

    def clean_per_batch(self, config: Config, batch: int) -> int:
        """Return how many clean samples join a batch."""
        return count_of(config["baselines"].get(self.section, {}).get("clean_per_batch", 0), batch)

    def settings(self, config: Config, seed: int) -> dict[str, Any]:
        """Return its `TrainingSettings` as plain data."""
        constant, decay = self.epochs(config)
        rate, rate_of_decay = self.learning_rates(config)
        return {
            **shared_sections(config),
            "training_set": self.training_set,
            "constant_epochs": constant,
            "decay_epochs": decay,
            "learning_rate": rate,
            "decay_learning_rate": rate_of_decay if decay else 0.0,
            "schedule": spelled(config["calibration"]["schedule"]) if decay else "constant",
            **(_first_schedule(config) if constant else {}),
            "loss": self.loss,
            "weighting": self.weighting,
            "code": code_of(self.loss),
            "clean_per_batch": self.clean_per_batch(config, config["optimizer"]["batch_size"]),
            "classifier_epochs": config["pretraining"]["classifier_epochs"] if constant else 0,
            "seed": seed,
            "shuffle_window": config["shards"]["shuffle_window"],
        }


M = TypeVar("M", bound=Method)


def by_name(*methods: M) -> dict[str, M]:
    """Return a table of methods."""
    return {method.name: method for method in methods}


def spelled(schedule: str | list[Config]) -> str | list[dict[str, Any]]:
    """Return a schedule as stages are passed it: a word, or phases without keys at their defaults.

    So what is written down, or added to the keys later, changes no settings.
    """
    if isinstance(schedule, str):
        return schedule
    defaults = msgspec.to_builtins(Phase())
    phases = [msgspec.to_builtins(parse(Phase, phase)) for phase in schedule]
    return [{key: phase[key] for key in phase if phase[key] != defaults[key]} for phase in phases]


def _first_schedule(config: Config) -> dict[str, Any]:
    """Return the schedule of stage 1 as a key of `TrainingSettings`, unless it is the default."""
    schedule = spelled(config["pretraining"]["schedule"])
    return {} if schedule == "constant" else {"first_schedule": schedule}


def decay_rate(config: Config, method: str) -> float:
    """Return the learning rate at the start of a method's decay."""
    section = config["calibration"]
    return section["learning_rates"].get(method, section["learning_rate"])


def with_batch(config: Config, replicas: int) -> Config:
    """Return a configuration with the global batch of a model that has `replicas` ranks."""
    optimizer = config["optimizer"]
    if optimizer["batch_per_rank"] is None:
        return config
    batch = optimizer["batch_per_rank"] * replicas
    return {**config, "optimizer": {**optimizer, "batch_size": batch}}


def evaluation_sections(config: Config) -> dict[str, Any]:
    """Return the `EvaluationSettings` of a configuration, as plain data."""
    return {
        "images": pick(config["images"], ImageSettings),
        "model": pick(config["model"], ModelSettings) | architecture_code(config["model"]["name"]),
    }


def shared_sections(config: Config) -> dict[str, Any]:
    """Return the sections that the settings of all trainings share; the batch must be known."""
    optimizer = config["optimizer"]
    batch = {"batch_size": optimizer["batch_size"]}
    return {
        **evaluation_sections(config), "optimizer": pick(optimizer, OptimizerSettings) | batch
    }  # fmt: skip


def architecture_code(name: str) -> dict[str, str]:
    """Return the key `code` of settings that name an architecture."""
    return {"code": code_of(builder_of(name))}


def code_of(*functions: str) -> str:
    """Return the digest of the modules of functions that are given as `module:function`.

    In the settings of a stage that opens them by name, it reruns that stage when they change, and
    no other. Empty where no name has a module. UserError where a module or its function is missing.
    """
    own = [name for name in functions if name not in ("", *LOSSES)]
    for name in own:
        check_name(name)
    modules = [name.partition(":")[0] for name in own]
    files = [module_files(name)[-1] for name in modules]
    return code_digest(files[0], *modules) if files else ""
