"""What the rules ask of a configuration and of the lists that it names."""

import os
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mct.base.architectures import (
    ARCHITECTURES,
    IMAGENET,
    Norms,
    builder_of,
    check_input_size,
)
from mct.base.errors import UserError
from mct.base.files import write_text
from mct.base.keys import parse, pick
from mct.calibration.plan import plan_any
from mct.data.intake import Piece, reading_settings
from mct.data.layouts.base import Layout
from mct.data.layouts.registry import layout_module, open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.settings import ShardSettings
from mct.experiment.cautions import (
    cautions,
    contradiction_cautions,
    norm_cautions,
    storage_cautions,
)
from mct.experiment.changes import describe_changes
from mct.experiment.combinations import (
    check_frozen,
    check_held_out,
    check_local_steps,
    check_norms,
    check_passes,
    check_schedules,
    check_views,
)
from mct.experiment.configuration import resolve, ungiven
from mct.experiment.lists import Lists, Memory, Storage
from mct.experiment.method import with_batch
from mct.experiment.methods import Ranks, check_confusions, check_methods, config_for
from mct.experiment.nets import Net, Nets, check_fetched, follow_weights
from mct.experiment.paths import check_results, check_weights, spell_paths
from mct.experiment.result_files import ResultFiles
from mct.experiment.schedules import shown_plans
from mct.experiment.stage_settings import StageSettings, as_json, used_settings
from mct.experiment.suggestions import ask_for
from mct.learning.plan import Plan
from mct.stage.closure import code_digest, imported_files, module_files
from mct.stage.limits import allow_open_files

SCRIPTS = Path(__file__).parents[2]


def results_folder(config: Mapping[str, Any]) -> Path:
    """Return the folder of an experiment's results; its name may not be known yet."""
    return Path(os.path.normpath(f"{config['results']}/{config.get('experiment', '')}"))


class Experiment:
    """One configuration, resolved and checked."""

    def __init__(
        self, config: Mapping[str, Any], *, in_job: bool = False, memory: Path | None = None
    ) -> None:
        """A workflow's job takes what the lists say from the workflow, which has checked them.

        `memory` is a folder in which that is kept for the next plan.
        """
        resolved, self._in_job = spell_paths(resolve(config)), in_job
        self.nets = Nets(results_folder(resolved))
        given = config.get("images") or {}
        self.config, self.notes = follow_weights(resolved, given, self.nets)
        if missing := ungiven(self.config):
            raise UserError(ask_for(missing, self.layout))
        self.folder = str(results_folder(self.config))
        self.dataset = self.config["dataset"]["name"]
        self.files = ResultFiles(self.folder, self.config)
        self.ranks = Ranks(self.config, lambda: self.sizes)
        self.settings = StageSettings(self.config, self.ranks)
        reading = self.catalogue_settings(), self.code("build_catalogue.py"), self.reviews
        self.memory = Memory(Path(self.folder), memory, *reading)

    def write_down(self) -> None:
        """Write the resolved configuration, and what jobs need of the lists, into the results."""
        folder = Path(self.folder)
        write_text(folder / "config.yaml", yaml.safe_dump(self.config, sort_keys=False))
        self.memory.hand_on(self.lists)
        self.nets.hand_on()
        self.storage.write_down()

    def check_paths(self) -> None:
        """Raise UserError where files are missing or settings do not fit the data set.

        In a job nothing is checked again.
        """
        if self._in_job:
            return
        model, size = self.config["model"]["name"], self.config["images"]["size"]
        check_input_size(model, size, "images.size")
        check_views(self.config["images"])
        check_schedules(self.config)
        for config in self._configs:
            check_frozen(config)
            check_local_steps(config["optimizer"])
            check_norms(config, self.norms)
        if self.fetches_weights:
            check_fetched(self.config["model"], self.classes, self.nets)
        for path in map(Path, [] if self.fetches_weights else self.initial_weights()):
            check_weights(path, self.config["model"], self.classes, self.memory.folder)
        check_confusions(self.config, self.layout)
        check_methods(self.config)
        for path in (Path(self.folder), *Path(self.folder).parents):
            check_results(path)
        pictures = self.lists.pictures  # last, since checking lists takes the longest
        if (count := self.config["shards"]["count"]) > pictures:
            raise UserError(
                f"shards.count: expected at most {pictures}, one a picture, got {count}"
            )
        check_passes(self.ranks.batches())
        for config in self._configs:
            check_held_out(config["pretraining"]["held_out_clean"], self.sizes["clean"])

    @property
    def _configs(self) -> list[Mapping[str, Any]]:
        """The configuration, and what it is for each variant."""
        variants = self.config["variants"]
        return [self.config, *(config_for(self.config, name) for name in variants)]

    def plan(self, method: str, ranks: str) -> Plan:
        """Return the plan of a training in a run of `ranks`, by the sizes of the lists."""
        return plan_any(self.ranks.settings(method, 0, ranks), self.sizes)

    def shown_plans(self) -> dict[str, Plan]:
        """Return the plan of each training by its name, where schedules are worth showing."""
        return shown_plans(self.config, self.ranks, self.sizes)

    def cautions(self) -> list[str]:
        """Return warnings about the configuration and the lists, one line each."""
        stored = storage_cautions(Path(self.folder, "shards", self.dataset))
        files = self.files
        records = [
            files.model(method, run, "record.json")
            for method in files.calibrated()
            for run in files.runs()
        ]
        contradictions = contradiction_cautions(map(Path, records))
        norms = norm_cautions(self.ranks, self.norms)
        return [*cautions(self.config, self.lists), *norms, *stored, *contradictions]

    def changes(self) -> list[str]:
        """Return a line that says which keys changed since the last run, if any did."""
        return describe_changes(Path(self.folder), self.config)

    def check_rules(self, names: Collection[str]) -> None:
        """Raise UserError where rules that are to run lack what only the configuration can give."""
        if not self.files.judging_method and not {"judge_labels", "list_suspects"}.isdisjoint(
            names
        ):
            raise UserError(
                "methods: suspects are found by a calibrated pair; add mct (or mct_paper)"
            )
        if "measure_scaling" in names:
            section = self.config["scaling"]
            check_input_size(section["model"], section["size"], "scaling.size")

    @property
    def stores_features(self) -> bool:
        """Whether models see features of pictures, which jobs compute once."""
        return self.config["images"]["feature_views"] > 0

    @property
    def fetches_weights(self) -> bool:
        """Whether a job fetches the weights that models start from."""
        return self.config["model"]["initial_weights"] == IMAGENET

    @property
    def fetched_weights(self) -> str:
        """The file that fetched weights are written to."""
        return f"{self.folder}/weights/{self._net_name}.safetensors"

    def initial_weights(self) -> list[str]:
        """Return the file that models start from, if there is one."""
        if self.fetches_weights:
            return [self.fetched_weights]
        return list(filter(None, [self.config["model"]["initial_weights"]]))

    @property
    def precision_file(self) -> str:
        """The file that says in which arithmetic the net is faster, where that is measured."""
        return f"{self.folder}/precision/{self._net_name}.json"

    @property
    def measured_precision(self) -> list[str]:
        """That file, if it decides: for nets of which it is not known."""
        model = self.config["model"]
        is_known = model["precision"] != "auto" or not builder_of(model["name"])
        return [] if is_known else [self.precision_file]

    @property
    def samples_per_rank(self) -> int:
        """The pictures of a batch that a rank of calibration computes at a time in the first run."""
        pairs = self.config["ranks"][0] // 2
        optimizer = with_batch(self.config, pairs)["optimizer"]
        return -(-optimizer["batch_size"] // (pairs * optimizer["accumulation"]))

    @property
    def _net_name(self) -> str:
        return self.config["model"]["name"].replace("/", "_")

    @cached_property
    def net(self) -> Net | None:
        """What the net costs, if it is none of ours: these are listed."""
        name = self.config["model"]["name"]
        return (
            None if name in ARCHITECTURES else self.nets.find(name, self.config["images"]["size"])
        )

    @property
    def norms(self) -> Norms | None:
        """What norms the net has, None where the plan does not know."""
        return self.net.norms if self.net else ARCHITECTURES[self.config["model"]["name"]].norms

    @cached_property
    def layout(self) -> Layout:
        """The data set's layout, opened."""
        allow_open_files()  # archives stay open
        return open_layout(parse(DatasetSettings, self._dataset_settings()))

    def _dataset_settings(self) -> dict[str, Any]:
        return used_settings(self.config["dataset"])

    def catalogue_settings(self) -> str:
        """Return the settings of the catalogue."""
        return as_json(self._dataset_settings())

    @cached_property
    def lists(self) -> Lists:
        """What the lists say."""
        if self._in_job:
            return self.memory.recall() or self._read_lists(check_files=False)
        check = self.config["dataset"]["check_files"]
        known = self.memory.recall_current(check_files=check)
        return known or self.memory.keep(self._read_lists(check_files=check))

    def _read_lists(self, *, check_files: bool) -> Lists:
        return Lists.read(self.layout, reviews=self.reviews, check_files=check_files)

    @property
    def reviews(self) -> list[str]:
        """The files of reviewed labels."""
        return self.config["dataset"]["reviews"]

    @cached_property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.lists.classes)

    def reading_settings(self) -> str:
        """Return the settings of the data set that its pictures depend on."""
        return as_json(reading_settings(self._dataset_settings()))

    def shard_settings(self) -> str:
        """Return the settings of shards."""
        return as_json(pick({**self.config["images"], **self.config["shards"]}, ShardSettings))

    @cached_property
    def storage(self) -> Storage:
        """The groups of pictures that are inspected and stored together."""
        folder = Path(self.folder, "intakes", self.dataset)
        return Storage(folder, self.lists, lambda: self.layout, in_job=self._in_job)

    @cached_property
    def inspection_parts(self) -> dict[str, Piece]:
        """The parts in which pictures are inspected, by name."""
        return self.storage.pieces(self.config["inspection"]["parts"])

    @cached_property
    def shards(self) -> dict[str, Piece]:
        """The shards by name."""
        return self.storage.pieces(self.config["shards"]["count"])

    def code(self, script: str) -> str:
        """Return the digest of the code that can change a stage's results, its layout's included."""
        path = SCRIPTS / script
        opens_layout = set(module_files(open_layout.__module__)) <= set(imported_files(path))
        opened = [layout_module(self.config["dataset"]["layout"])] if opens_layout else []
        return code_digest(path, *opened)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The sizes of all sets, from counting lines."""
        return self.lists.sizes

    @property
    def catalogue_threads(self) -> int:
        """The threads of the catalogue, which decodes pictures where noise depends on them."""
        kind = self.config["dataset"]["synthetic_noise"]["kind"]
        return self.config["execution"]["picture_threads"] if kind == "instance_dependent" else 1
