"""What the rules ask of a configuration: sets, runs, ranks and each stage's settings.

Used when the workflow is parsed, so it imports neither torch nor MPI.
"""

import json
import os
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mct.base import methods
from mct.base.errors import UserError
from mct.base.files import write_text
from mct.base.keys import parse, pick
from mct.base.partition import divide_ranks, samples_of
from mct.base.sizes import check_input_size
from mct.data.layouts.registry import layout_module, open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.settings import ShardSettings
from mct.experiment import requirements, stage_settings
from mct.experiment.cautions import cautions
from mct.experiment.configuration import resolve, ungiven
from mct.experiment.dataset_keys import used_settings
from mct.experiment.initial_weights import check_weights
from mct.experiment.lists import Lists
from mct.experiment.memory import Memory
from mct.experiment.spelling import check_results, spell_paths
from mct.experiment.suggestions import ask_for
from mct.performance.settings import ScalingSettings
from mct.stage.closure import code_digest, imported_files, module_files
from mct.stage.limits import allow_open_files

SCRIPTS = Path(__file__).parents[2]
STEP_EXECUTION = ("device", "threads_per_rank", "bucket_bytes", "allreduce")
"""Keys of `execution` that the time of a step depends on."""
READING_EXECUTION = ("prefetch_batches", "loader_threads")
"""Those that the time of reading depends on beside them."""


class Experiment:
    """One configuration, resolved and checked."""

    def __init__(
        self, config: Mapping[str, Any], *, in_job: bool = False, memory: Path | None = None
    ) -> None:
        """A workflow's job takes what the lists say from the workflow, which has checked them.

        `memory` is a folder in which that is kept for the next plan.
        """
        self.config, self._in_job = spell_paths(resolve(config)), in_job
        if missing := ungiven(self.config):
            raise UserError(ask_for(missing, self._layout))
        self.folder = os.path.normpath(f"{self.config['results']}/{self.config['experiment']}")
        self.dataset = self.config["dataset"]["name"]
        reading = self.catalogue_settings(), self.code("build_catalogue.py")
        self.memory = Memory(Path(self.folder), memory, *reading)

    def write_down(self) -> None:
        """Write the resolved configuration, and what jobs need of the lists, into the results."""
        folder = Path(self.folder)
        write_text(folder / "config.yaml", yaml.safe_dump(self.config, sort_keys=False))
        self.memory.hand_on(self._lists)

    def check_paths(self) -> None:
        """Raise UserError where files are missing or settings do not fit the data set.

        In a job nothing is checked again.
        """
        if self._in_job:
            return
        model, size = self.config["model"]["name"], self.config["images"]["size"]
        check_input_size(model, size, "images.size")
        for path in map(Path, self.initial_weights()):
            check_weights(path, self.config["model"], self.classes, self.memory.folder)
        requirements.check_confusions(self.config, self._layout)
        for path in (Path(self.folder), *Path(self.folder).parents):
            check_results(path)
        _ = self._lists  # last, since checking them takes the longest

    def cautions(self) -> list[str]:
        """Return warnings about the configuration and the lists, one line each."""
        return cautions(self.config, self._lists)

    def check_rules(self, names: Collection[str]) -> None:
        """Raise UserError where rules that are to run lack what only the configuration can give."""
        requirements.check_rules(self.config, names, judges=self.judging_method is not None)

    def initial_weights(self) -> list[str]:
        """Return the file that models start from, if there is one."""
        return list(filter(None, [self.config["model"]["initial_weights"]]))

    @cached_property
    def _layout(self):
        allow_open_files()  # archives stay open
        return open_layout(parse(DatasetSettings, self._dataset_settings()))

    def _dataset_settings(self) -> dict[str, Any]:
        return used_settings(self.config["dataset"])

    # Settings of stages, as JSON with sorted keys: a change of the text reruns the stage.

    def catalogue_settings(self) -> str:
        """Return the settings of the catalogue."""
        return _json(self._dataset_settings())

    @cached_property
    def _lists(self) -> Lists:
        if self._in_job:
            return self.memory.recall() or Lists.read(self._layout, check_files=False)
        check = self.config["dataset"]["check_files"]
        known = self.memory.recall_current(check_files=check)
        return known or self.memory.keep(Lists.read(self._layout, check_files=check))

    @property
    def source_digest(self) -> str:
        """The digest of the lists that the catalogue is made from."""
        return self._lists.source

    @property
    def clean_source(self) -> str:
        """Where the clean set comes from, for the captions of tables."""
        return self._lists.clean_source

    @cached_property
    def classes(self) -> int:
        """The number of classes."""
        return len(self._lists.classes)

    @property
    def class_names(self) -> str:
        """The class names, as JSON."""
        return _json(self._lists.classes)

    def shard_settings(self, set_name: str) -> str:
        """Return the settings of the shards of a set."""
        dataset, images = self.config["dataset"], self.config["images"]
        shards = {**self.config["shards"], "shards": self.config["shards"][set_name]}
        return _json(pick({**dataset, **images, **shards}, ShardSettings))

    def inspection_names(self) -> list[str]:
        """Return the names of the parts in which pictures are inspected."""
        return [f"{part:04d}" for part in range(self.config["inspection"]["parts"])]

    def noise_settings(self) -> str:
        """Return the noise rate: a number or `counted`."""
        return _json(self.config["dataset"]["noise_rate"])

    def training_settings(self, method: str, seed: str) -> str:
        """Return the settings of a pretraining job or of a baseline."""
        return _json(stage_settings.training_settings(self.config, method, int(seed)))

    def calibration_settings(self, method: str, seed: str) -> str:
        """Return the settings of a method's calibration."""
        return _json(stage_settings.calibration_settings(self.config, method, int(seed)))

    def cleannet_settings(self, seed: str) -> str:
        """Return the settings of CleanNet's verification."""
        return _json(stage_settings.cleannet_settings(self.config, int(seed)))

    def evaluation_settings(self) -> str:
        """Return the settings of an evaluation."""
        return _json(stage_settings.evaluation_settings(self.config))

    def estimation_settings(self) -> str:
        """Return the settings of estimating the noise rate with a model."""
        dataset = self.config["dataset"]
        own = {"samples": dataset["noise_samples"], "seed": dataset["seed"]}
        return _json({**stage_settings.evaluation_settings(self.config), **own})

    def scaling_settings(self) -> str:
        """Return the settings of what is rehearsed on several numbers of ranks."""
        precision = {"precision": self.config["model"]["precision"]}
        return _json(pick({**self.config["scaling"], **precision}, ScalingSettings))

    def step_execution(self) -> str:
        """Return how the steps run that scaling measures."""
        return self._execution(STEP_EXECUTION)

    def reading_execution(self) -> str:
        """Return how the mini-batches run that prefetch is measured on."""
        return self._execution(STEP_EXECUTION + READING_EXECUTION)

    def _execution(self, names: tuple[str, ...]) -> str:
        return _json({name: self.config["execution"][name] for name in names})

    def projection_settings(self) -> str:
        """Return what the table of scaling asks of the measurements."""
        section = self.config["scaling"]
        return _json({name: section[name] for name in ("pictures", "epochs", "projected_ranks")})

    def table_settings(self) -> str:
        """Return what the accuracy table needs to know of the configuration."""
        facts = {"dataset": self.dataset, "clean_set": self.clean_source}
        return json.dumps(
            {**facts, "terms": methods.table_terms(self.config)}
        )  # rows in this order

    def drawn_methods(self) -> str:
        """Return the titles of the methods in figures, and which of them calibrate a pair."""
        titles = {name: methods.METHODS[name].title for name in self.config["methods"]}
        return json.dumps(
            {"titles": titles, "calibrated": self.calibrated()}
        )  # drawn in this order

    def code(self, script: str) -> str:
        """Return the digest of the code that can change a stage's results, its layout's included."""
        path = SCRIPTS / script
        opens_layout = set(module_files(open_layout.__module__)) <= set(imported_files(path))
        opened = [layout_module(self.config["dataset"]["layout"])] if opens_layout else []
        return code_digest(path, *opened)

    # Files and ranks

    def training_sets(self, method: str) -> tuple[str, ...]:
        """Return the sets whose shards a baseline trains on."""
        name = methods.METHODS[method].training_set
        return ("noisy", "clean") if name == "union" else (str(name),)

    def start(self, method: str, run: str) -> list[str]:
        """Return the weights that a baseline goes on with, none for a random start."""
        continued = methods.METHODS[method].continues
        return [self._model(continued, run, "primary.safetensors")] if continued else []

    def evidence(self, method: str, run: str) -> list[str]:
        """Return the file that a baseline's loss or weights need, if they need one."""
        weighting = methods.METHODS[method].weighting
        if weighting == "verified":
            return [self._model(method, run, "label_weights.h5")]
        kind = methods.confusion_kind(self.config, method)
        return [self.confusion(kind, run)] if kind or weighting == "easiest" else []

    def calibration_confusion(self, method: str, run: str) -> str:
        """Return the file of the confusion that a calibration can use."""
        return self.confusion(methods.confusion_kind(self.config, method), run)

    def confusion(self, kind: str | None, run: str) -> str:
        """Return the file of a kind of confusion matrix; a counted one stands with the noise rate."""
        if kind in (None, "counted"):
            return f"{self.folder}/noise/{self.dataset}.json"
        return self._model("pretrain_primary", run, f"confusion_{kind}.json")

    def _model(self, method: str, run: str, name: str) -> str:
        return f"{self.folder}/models/{self.dataset}/{method}/{run}/{name}"

    def shard_names(self, set_name: str) -> list[str]:
        """Return the names of a set's shards."""
        return [f"{shard:04d}" for shard in range(self.config["shards"][set_name])]

    def trainings(self) -> list[str]:
        """Return everything that is trained for the table, pretraining first."""
        return methods.needed_trainings(self.config)

    def calibrated(self) -> list[str]:
        """Return the methods that calibrate a pair."""
        return [name for name in self.config["methods"] if name in methods.CALIBRATED]

    @property
    def judging_method(self) -> str | None:
        """The method whose pairs judge labels: `mct`, else the first that calibrates a pair."""
        calibrated = self.calibrated()
        best = methods.REFERENCE if methods.REFERENCE in calibrated else None
        return best or next(iter(calibrated), None)

    def judges_confusions(self) -> list[str]:
        """Return the file of the confusion that each judging pair is read with."""
        method = self.judging_method
        return [self.calibration_confusion(method, run) for run in self.runs()] if method else []

    def models(self) -> list[tuple[str, str]]:
        """Return method and role of everything that is evaluated."""
        shown = [*methods.PRETRAINING, *self.config["methods"]]
        trained = [name for name in self.trainings() if name in shown]
        return [(name, role) for name in trained for role in methods.evaluated_roles(name)]

    def runs(self) -> list[str]:
        """Return all repetitions: seeds x ranks."""
        return [
            f"seed{seed}_ranks{ranks}"
            for seed in self.config["seeds"]
            for ranks in self.config["ranks"]
        ]

    def training_ranks(self, method: str, ranks: str) -> int:
        """Return the ranks of a training in a run of `ranks`.

        The two pretraining jobs share them by the ratio of their work; a baseline has all, or as
        many as one model of the pair.
        """
        if method not in methods.PRETRAINING:
            return int(ranks) // (2 if self.config["baselines"]["ranks"] == "half" else 1)
        one, other = map(self.samples, methods.PRETRAINING)
        shares = divide_ranks(int(ranks), (one, other))
        return shares[list(methods.PRETRAINING).index(method)]

    def samples(self, method: str) -> int:
        """Return how many samples a training sees, all its models together."""
        constant, decay = methods.stage_epochs(self.config, method)
        return samples_of(constant, self.sizes) + samples_of(decay, self.sizes)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The sizes of all sets, from counting lines."""
        return self._lists.sizes

    def training_threads(self, method: str, ranks: str) -> int:
        """Return the cores that a training in a run of `ranks` keeps busy."""
        return self.threads(self.training_ranks(method, ranks))

    def threads(self, ranks: int | str) -> int:
        """Return the cores that a stage of `ranks` ranks keeps busy."""
        return int(ranks) * self.cores_per_rank

    @property
    def picture_threads(self) -> int:
        """The threads of a job that decodes pictures."""
        return self.config["execution"]["picture_threads"]

    @property
    def catalogue_threads(self) -> int:
        """The threads of the catalogue, which decodes pictures where noise depends on them."""
        kind = self.config["dataset"]["synthetic_noise"]["kind"]
        return self.picture_threads if kind == "instance_dependent" else 1

    @property
    def threads_per_rank(self) -> int:
        """The threads of each rank."""
        return self.config["execution"]["threads_per_rank"]

    @property
    def cores_per_rank(self) -> int:
        """The cores of each rank: as many as compute, or as many as decode where those are more."""
        return max(self.threads_per_rank, self.config["execution"]["loader_threads"])


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True)
