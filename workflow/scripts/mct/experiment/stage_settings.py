"""Settings of stages as JSON with sorted keys: a change of the text reruns the stage."""

import json
from dataclasses import dataclass
from typing import Any

from mct.base.keys import pick
from mct.experiment import methods
from mct.experiment.method import Config, Method, architecture_code
from mct.experiment.pair import PRETRAININGS
from mct.performance.settings import ScalingSettings

STEP_EXECUTION = ("device", "threads_per_rank", "bucket_bytes", "allreduce")
"""Keys of `execution` that the time of a step depends on."""


@dataclass(frozen=True)
class StageSettings:
    """Settings of stages by the resolved configuration."""

    config: Config

    def noise(self) -> str:
        """Return the noise rate: a number or `counted`."""
        return as_json(self.config["dataset"]["noise_rate"])

    def training(self, method: str, seed: str) -> str:
        """Return the settings of a pretraining, a baseline, or a method's calibration."""
        return as_json(methods.TRAININGS[method].settings(self.config, int(seed)))

    def cleannet(self, seed: str) -> str:
        """Return the settings of CleanNet's verification."""
        return as_json(methods.cleannet_settings(self.config, int(seed)))

    def evaluation(self) -> str:
        """Return the settings of an evaluation."""
        return as_json(methods.evaluation_settings(self.config))

    def estimation(self) -> str:
        """Return the settings of estimating the noise rate with a model."""
        dataset = self.config["dataset"]
        own = {"samples": dataset["noise_samples"], "seed": dataset["seed"]}
        return as_json({**methods.evaluation_settings(self.config), **own})

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
        shown = [*PRETRAININGS, *self.config["methods"]]
        rows = dict.fromkeys([*shown, *methods.needed_trainings(self.config)])
        facts = {name: self._facts(methods.TRAININGS[name]) for name in rows}
        dataset = self.config["dataset"]["name"]
        return json.dumps({"dataset": dataset, "clean_set": clean_set, "methods": facts})

    def _facts(self, method: Method) -> dict[str, Any]:
        """Return what `mct.results.tables.Method` holds."""
        return {
            "title": method.title,
            "preparations": method.preparations(self.config),
            "lineages": {role: method.lineage(role) for role in method.roles},
        }

    def titles(self) -> str:
        """Return the titles of the configured methods."""
        return as_json({name: methods.METHODS[name].title for name in self.config["methods"]})


def as_json(data: Any) -> str:
    """Return data as JSON with sorted keys."""
    return json.dumps(data, sort_keys=True)
