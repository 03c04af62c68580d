"""The configuration's schema, made of the definitions of keys next to the code that uses them.

`workflow/tools/describe_config.py` writes it; whoever plans or runs reads what that wrote.
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
from mct.learning.settings import CleanNetSettings, ModelSettings, OptimizerSettings
from mct.performance.settings import ScalingSettings
from mct.stage.settings import ExecutionSettings

Part = dict[str, Any]


class Section(NamedTuple):
    """What a section is for, who defines its keys, its own sections, and defaults in place of theirs."""

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
                "Wrong labels made by seed from the true ones of training, instead of observed "
                "labels. Where a layout brings no true labels of training, `measuring_labels` must "
                "name them.",
                (NoiseSettings,),
            )
        },
    ),
    "images": Section(
        "Form of the pictures as the models see them.", (ImageSettings, EncodingSettings)
    ),
    "inspection": Section(
        "Judging every picture before it is stored; see docs/pictures.md.",
        (settings.InspectionSettings,),
    ),
    "shards": Section(
        "Number of HDF5 shards, each a job of its own, how they keep encoded pictures, "
        "and how many training reads at a time.",
        (settings.ShardCounts, ShardSettings, OrderSettings),
    ),
    "model": Section(
        "Architecture of both models of the pair and of every baseline.", (ModelSettings,)
    ),
    "optimizer": Section(
        "Stochastic gradient descent; norms and biases are never decayed.", (OptimizerSettings,)
    ),
    "pretraining": Section(
        "Stage 1, constant large learning rate on untouched labels.",
        (settings.PretrainingSettings,),
    ),
    "calibration": Section(
        "Stage 2, mutual calibration of the pair; its decay schedule is the baselines' too.",
        (DecaySettings, settings.MethodRates, PairSettings, settings.ConfusionSettings),
    ),
    "mct": Section(
        "What method `mct` has in place of the keys of `calibration`, which are method "
        "`mct_paper`'s; other keys of calibration are of both. Equal terms count with these clean "
        "samples. With lambda 1 and all samples taught, as here, the selection is recorded but "
        "decides nothing: the posterior of the pair takes its place.",
        (PairSettings, settings.ConfusionSettings),
        defaults={
            "soft_target_weight": 1,
            "temperature": 1,
            "targets": "posterior",
            "taught_samples": "all",
            "taught_models": "both",
            "teacher": "pair",
            "teacher_average_epochs": 1,
            "clean_per_batch_auxiliary": 16,
            "clean_per_batch_primary": 16,
        },
    ),
    "baselines": Section(
        "What baselines need besides the sections above.",
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
                "Training of method `cleannet`'s verification (Lee et al., CVPR 2018), on features "
                "of pretrained Mp.",
                (CleanNetSettings,),
            ),
        },
    ),
    "scaling": Section(
        "What `snakemake performance` measures and projects: the tables and figures of prefetch, "
        "communication and scaling. Part of no training.",
        (settings.ScalingPlan, ScalingSettings),
    ),
    "execution": Section(
        "How stages run. Nothing here changes what is computed beyond rounding, so a change reruns "
        "nothing but what `snakemake performance` has measured with it.",
        (ExecutionSettings, settings.JobSettings),
    ),
}
TITLE = "Configuration of a Mutual Calibration Training experiment"
DESCRIPTION = (
    "What may stand in a configuration file, made by workflow/tools/describe_config.py from the "
    "definitions of keys in the library. A default for the quick start's digits alone is called "
    "`quick_start`: with another data set its key must be given."
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
        part = {"description": text, **msgspec.json.schema(fields[name].type)}
        default = defaults.get(name, default)
        parts.append((name, part if default is msgspec.NODEFAULT else part | {"default": default}))
    return parts


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
