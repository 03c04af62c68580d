"""The configuration's schema, made of the definitions of keys next to the code that uses them.

`workflow/tools/describe_config.py` writes it into the file that everything else reads.
"""

import ast
from collections.abc import Mapping
from inspect import getsource
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from mct.base.keys import Settings
from mct.calibration.settings import DecaySettings, PairSettings
from mct.data.layouts.settings import DatasetSettings
from mct.data.settings import EncodingSettings, ImageSettings, OrderSettings, ShardSettings
from mct.experiment import settings
from mct.labels.settings import NoiseSettings
from mct.learning.settings import CleanNetSettings, ModelSettings, OptimizerSettings, Phase
from mct.performance.settings import ScalingSettings
from mct.stage.settings import ExecutionSettings

Part = dict[str, Any]


class Section(NamedTuple):
    """A section: its description, the classes of its keys, its sections, and defaults for other ones."""

    description: str
    owners: tuple[type[Settings], ...]
    sections: Mapping[str, "Section"] = {}
    defaults: Mapping[str, Any] = {}


SECTIONS = {
    "dataset": Section(
        "Where the pictures and their labels come from.",
        (settings.SourceSettings, DatasetSettings),
        {
            "synthetic_noise": Section(
                "Wrong labels, made by seed from the true labels of training, in place of observed "
                "labels. If a layout has no true labels of training, `measuring_labels` must name "
                "a file with them.",
                (NoiseSettings,),
            )
        },
    ),
    "images": Section(
        "Form of the pictures that the models get.", (ImageSettings, EncodingSettings)
    ),
    "inspection": Section(
        "Inspection of every picture before it is stored; see docs/pictures.md.",
        (settings.InspectionSettings,),
    ),
    "shards": Section(
        "Number of HDF5 shards (each is written by its own job), how they store pictures, and how "
        "many of them training reads at a time.",
        (settings.ShardCounts, ShardSettings, OrderSettings),
    ),
    "model": Section(
        "Architecture of both models of the pair and of every baseline.", (ModelSettings,)
    ),
    "optimizer": Section(
        "Stochastic gradient descent; weight decay leaves out norms and biases.",
        (OptimizerSettings, settings.BatchSettings),
    ),
    "pretraining": Section(
        "Stage 1: a constant, large learning rate on the labels as they are.",
        (settings.PretrainingSettings,),
    ),
    "calibration": Section(
        "Stage 2: mutual calibration of the pair. The baselines have the same decay schedule.",
        (DecaySettings, settings.MethodRates, PairSettings, settings.ConfusionSettings),
    ),
    "mct": Section(
        "Values of method `mct` for keys of `calibration`; method `mct_paper` has the values of "
        "`calibration`. Keys that are only there apply to both. The samples that baselines see "
        "depend on the clean samples given here. Method `mct_posterior` has these values too, but "
        "for its targets: the posterior of the pair teaches both models in place of observed labels.",
        (PairSettings, settings.ConfusionSettings),
        defaults={
            "targets": "posterior",
            "taught_samples": "all",
            "clean_per_batch_auxiliary": 16,
            "clean_per_batch_primary": 16,
        },
    ),
    "finetuning": Section(
        "A last phase on the clean set that every method can have. It continues the deployed model "
        "(Mp), and is counted in the row's samples.",
        (settings.FinetuningSettings,),
    ),
    "ensemble": Section(
        "Ensembles that cost one training: `snapshot_ensemble` (Huang et al., ICLR 2017) and "
        "`collapsed_ensemble` (Codreanu et al., 2017) average the predictions of models from several "
        "cycles of the learning rate. `collapsed_ensemble_distilled` is one model that learned "
        "them; `mct_distilled` is Mp that learned the mean prediction of its pair.",
        (settings.EnsembleSettings,),
    ),
    "baselines": Section(
        "Keys of baselines alone.",
        (settings.BaselineSettings,),
        {
            "loss_correction": Section(
                "Methods `forward`, `backward` and `forward_finetuned` (Patrini et al., CVPR 2017).",
                (settings.CorrectionSettings,),
            ),
            "glc": Section(
                "Method `glc`, gold loss correction (Hendrycks et al., NeurIPS 2018).",
                (settings.GoldSettings,),
            ),
            "cleannet": Section(
                "Method `cleannet` (Lee et al., CVPR 2018): training of its verification net on "
                "features of pretrained Mp.",
                (CleanNetSettings,),
            ),
        },
    ),
    "suspects": Section(
        "The page to review labels that are probably wrong (`snakemake suspects`); see "
        "docs/wrong_labels.md.",
        (settings.SuspectSettings,),
    ),
    "scaling": Section(
        "What `snakemake performance` measures, rehearses and projects, for tables and figures of "
        "prefetch, communication and the rehearsal of scaling. No training depends on it; "
        "`tables/scaling.tsv` is made of the trainings themselves.",
        (settings.ScalingPlan, ScalingSettings),
    ),
    "execution": Section(
        "How stages run. These keys change results at most by rounding. So a change reruns nothing, "
        "apart from measurements of `snakemake performance`.",
        (ExecutionSettings, settings.JobSettings),
    ),
}
PHASE = Section("A phase of a schedule; see docs/large_batches.md.", (Phase,))
"""An item of a list of phases, which has keys."""
TITLE = "Configuration of a Mutual Calibration Training experiment"
DESCRIPTION = (
    "Keys of a configuration file, made by workflow/tools/describe_config.py from their definitions "
    "in the library. `quick_start` is a default for the quick start's digits alone: with another data "
    "set the key must be given, unless it has a `default` as well."
)


def make_schema() -> Part:
    """Return the schema of the configuration: every key with a description, and a default."""
    whole = Section(DESCRIPTION, (settings.ExperimentSettings,), SECTIONS)
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "title": TITLE, **_section_part(whole)}


def _section_part(section: Section) -> Part:
    keys = {
        name: part for owner in section.owners for name, part in _key_parts(owner, section.defaults)
    }
    inner = {name: _section_part(part) | {"default": {}} for name, part in section.sections.items()}
    return {
        "description": section.description,
        "type": "object",
        "additionalProperties": False,
        "properties": keys | inner,
    }


def _key_parts(owner: type[Settings], defaults: Mapping[str, Any]) -> list[tuple[str, Part]]:
    """Return the keys that a class itself defines, with their parts of the schema."""
    fields = {field.name: field for field in msgspec.structs.fields(owner)}
    parts = []
    for name, text in _descriptions(owner).items():
        default = fields[name].default
        if fields[name].default_factory is not msgspec.NODEFAULT:
            default = fields[name].default_factory()
        part = {"description": text, **_type_part(fields[name].type)}
        default = defaults.get(name, default)
        parts.append(
            (name, part if default is msgspec.NODEFAULT else part | {"default": _plain(default)})
        )
    return parts


def _plain(value: Any) -> Any:
    """Return a default as a configuration spells it, without what a section has by default itself."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, Settings):
        return value
    fields = msgspec.structs.fields(type(value))
    given = {field.name: getattr(value, field.name) for field in fields}
    return {f.name: given[f.name] for f in fields if given[f.name] != f.default}


def _type_part(kind: Any) -> Part:
    """Return the part of the schema for a type; items that have keys are written out, as sections are."""
    part = msgspec.json.schema(kind)
    part.pop("$defs", None)
    for branch in part.get("anyOf", ()):
        if "$ref" in branch.get("items", {}):
            branch["items"] = _section_part(PHASE)
    return part


def _descriptions(owner: type[Settings]) -> dict[str, str]:
    """Return the texts under the fields of a class, without the fields of its bases."""
    definition = ast.parse(getsource(owner)).body[0]
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }
