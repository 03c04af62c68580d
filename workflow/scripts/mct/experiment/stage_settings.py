"""Settings of stages as JSON with sorted keys: a change of the text reruns the stage."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from mct.base.errors import UserError
from mct.base.keys import pick
from mct.base.roles import Role
from mct.data.layouts.registry import LAYOUTS, layout_class
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.stored import StoredLayout
from mct.experiment import methods
from mct.experiment.method import (
    Config,
    Method,
    architecture_code,
    evaluation_sections,
    shared_sections,
    with_batch,
)
from mct.experiment.pair import PRETRAININGS
from mct.experiment.schedules import shown_settings
from mct.labels.settings import NoiseSettings
from mct.performance.settings import ScalingSettings

STEP_EXECUTION = ("device", "threads_per_rank", "bucket_bytes", "allreduce")
"""Keys of `execution` that the time of a step depends on."""
COMMON_KEYS = ("layout", "seed", "synthetic_noise")
"""Keys that every layout uses."""
FILE_KEYS = ("root", "measuring_labels")
"""Keys that every layout of files uses."""


@dataclass(frozen=True)
class StageSettings:
    """Settings of stages by the resolved configuration."""

    config: Config
    ranks: methods.Ranks

    def noise(self) -> str:
        """Return the noise rate: a number or `counted`."""
        return as_json(self.config["dataset"]["noise_rate"])

    def training(self, method: str, seed: str, ranks: str) -> str:
        """Return the settings of a pretraining, a baseline, or a method's calibration in a run."""
        return as_json(self.ranks.settings(method, int(seed), ranks))

    def reading(self, ranks: str) -> str:
        """Return the settings of Mp's pretraining, on all of some ranks, whose reading is timed."""
        config, seed = with_batch(self.config, int(ranks)), self.config["seeds"][0]
        return as_json(PRETRAININGS["pretrain_primary"].settings(config, seed))

    def precision(self) -> str:
        """Return the settings of the steps in which arithmetic is measured."""
        return as_json(shared_sections(with_batch(self.config, 1)))

    def cleannet(self, seed: str, variant: str = "") -> str:
        """Return the settings of CleanNet's verification, or of a variant's own."""
        config = methods.config_for(self.config, variant)
        own = {**config["baselines"]["cleannet"], "seed": int(seed)}
        shared = shared_sections(with_batch(config, 1))
        shared["optimizer"].pop("trust_coefficient", None)  # its rate is its own, and small
        return as_json({**shared, **own})

    def evaluation(self) -> str:
        """Return the settings of an evaluation."""
        return as_json(evaluation_sections(self.config))

    def estimation(self) -> str:
        """Return the settings of estimating the noise rate with a model."""
        dataset = self.config["dataset"]
        own = {"samples": dataset["noise_samples"], "seed": dataset["seed"]}
        return as_json({**evaluation_sections(self.config), **own})

    def strength(self, seed: str, variant: str = "") -> str:
        """Return the settings of measuring how strongly a run should correct labels."""
        config = methods.config_for(self.config, variant)
        own = {"held_out": config["pretraining"]["held_out_clean"], "seed": int(seed)}
        return as_json({**evaluation_sections(self.config), **own})

    def scaling(self) -> str:
        """Return the settings of what is rehearsed on several numbers of ranks."""
        section, precision = self.config["scaling"], self.config["model"]["precision"]
        own = {"precision": precision, **architecture_code(section["model"])}
        return as_json(pick({**section, **own}, ScalingSettings))

    def execution(self, *more: str) -> str:
        """Return how the steps run that are measured, and `more` keys of `execution`."""
        return as_json({name: self.config["execution"][name] for name in (*STEP_EXECUTION, *more)})

    def projection(self) -> str:
        """Return what the table of scaling asks of the measurements."""
        section = self.config["scaling"]
        return as_json({name: section[name] for name in ("pictures", "epochs", "projected_ranks")})

    def table(self, clean_set: str) -> str:
        """Return what the accuracy table needs to know of the configuration, its rows in order."""
        shown = [*PRETRAININGS, *methods.rows_of(self.config)]
        rows = dict.fromkeys([*shown, *methods.needed_trainings(self.config)])
        facts = {name: self._facts(methods.find(self.config, name)) for name in rows}
        dataset = self.config["dataset"]["name"]
        return json.dumps({"dataset": dataset, "clean_set": clean_set, "methods": facts})

    def export(self, method: str, clean_set: str) -> str:
        """Return what a model card needs to know of the configuration."""
        lineage = methods.find(self.config, method).lineage(Role.PRIMARY)
        return as_json(
            {
                "experiment": self.config["experiment"],
                "dataset": self.config["dataset"]["name"],
                "clean_set": clean_set,
                "titles": {name: methods.find(self.config, name).title for name in lineage},
            }
        )

    def _facts(self, method: Method) -> dict[str, Any]:
        """Return what `mct.results.accuracy.Method` holds."""
        return {
            "title": method.title,
            "preparations": method.preparations(self.config),
            "lineages": {role: method.lineage(role) for role in method.roles},
        }

    def schedules(self) -> str:
        """Return the settings of each training, in order, where schedules are worth showing."""
        return json.dumps(shown_settings(self.config, self.ranks))

    def rows(self) -> str:
        """Return the names of the rows of the accuracy table, in order."""
        return json.dumps(methods.rows_of(self.config))

    def titles(self) -> str:
        """Return the titles of the configured methods."""
        return as_json(
            {name: methods.find(self.config, name).title for name in methods.rows_of(self.config)}
        )

    def training_titles(self) -> str:
        """Return the titles of everything that is trained, in the order of the table of scaling."""
        names = methods.needed_trainings(self.config)
        return json.dumps({name: methods.find(self.config, name).title for name in names})


def as_json(data: Any) -> str:
    """Return data as JSON with sorted keys."""
    return json.dumps(data, sort_keys=True)


def used_settings(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return those keys of the section `dataset` that its catalogue depends on.

    A key of other layouts is left out, so that a new one changes nothing.

    Raises UserError: a key that the layout, or the kind of synthetic noise, does not use.
    """
    defaults = msgspec.to_builtins(DatasetSettings(layout=dataset["layout"]))
    settings = pick(dataset, DatasetSettings)
    used = layout_keys(dataset["layout"])
    for key, value in settings.items():
        if key not in used and value != defaults[key]:
            _refuse_key(key, dataset["layout"])
    _check_noise(settings["synthetic_noise"])
    return {key: value for key, value in settings.items() if key in used}


def layout_keys(name: str) -> tuple[str, ...]:
    """Return the keys of the section `dataset` that a layout uses."""
    layout = layout_class(name)
    files = FILE_KEYS if issubclass(layout, StoredLayout) else ()
    return (*COMMON_KEYS, *files, *layout.keys)


def _refuse_key(key: str, layout: str) -> None:
    others = ", ".join(name for name in LAYOUTS if key in layout_keys(name))
    raise UserError(
        f"dataset.{key}: layout {layout} does not use this key; leave it out, or set "
        f"dataset.layout to a layout that does ({others})"
    )


def _check_noise(noise: Mapping[str, Any]) -> None:
    if noise["kind"] == "none" and noise != msgspec.to_builtins(NoiseSettings()):
        key = "matrix" if noise["rate"] is None else "rate"
        raise UserError(
            f"dataset.synthetic_noise.{key}: kind none does not use this key; leave it out, or set "
            "dataset.synthetic_noise.kind"
        )
