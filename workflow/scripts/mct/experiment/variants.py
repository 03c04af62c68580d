"""Variants of methods: rows of the table that differ from a method in keys of the configuration.

A variant has in common with its method whatever it does not change: the data, and the trainings before its
own (pretraining, a net that estimates a confusion). Where it changes these too, by `pretraining` or
`optimizer`, it has pretrainings of its own, see `mct.experiment.methods.own_suffix`. What the data and
the net depend on is the same for all rows of an experiment.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mct.base.errors import UserError
from mct.base.texts import nearest
from mct.experiment.baselines import FineTuning, LossCorrection
from mct.experiment.ensembles import ENSEMBLES
from mct.experiment.method import Config, Method

SECTIONS = ("calibration", "mct", "baselines", "pretraining", "optimizer", "finetuning")
COMMON = {"optimizer": "batch_per_rank", "finetuning": "methods"}
"""Keys of these sections that a variant cannot change: the batch of a run, and rows of the table."""
ELSEWHERE = "make a second experiment, and `mct compare` both"
OWN = ("of", "title")
NAME = re.compile(r"[a-z][a-z_0-9]*")
FOLLOWING = (
    "confusion_kind", "epochs", "settings", "keys", "shares", "cost", "learning_rates", "phase",
    "clean_per_batch",
)  # fmt: skip
"""Functions of methods whose first argument is the configuration."""
M = TypeVar("M", bound=Method)
Resolve = Callable[[Mapping[str, Any]], dict[str, Any]]


def complete(
    config: Mapping[str, Any], known: Mapping[str, Method], resolve: Resolve
) -> dict[str, dict[str, Any]]:
    """Return the variants of a configuration, each with its whole sections, by name.

    `resolve` completes a configuration. UserError for a name that a method has, a method that is not
    there, a section or a key that a variant cannot have, and a wrong value.
    """
    given = config.get("variants") or {}
    without = {key: value for key, value in config.items() if key != "variants"}
    common = resolve(without)
    return {
        str(name): _complete_one(str(name), variant, (without, common), known, resolve)
        for name, variant in given.items()
    }


def _complete_one(
    name: str,
    variant: Mapping[str, Any],
    configs: tuple[Mapping[str, Any], Mapping[str, Any]],
    known: Mapping[str, Method],
    resolve: Resolve,
) -> dict[str, Any]:
    """Return a variant with whole sections; `configs` are what was given for all rows, and that resolved."""
    where = f"configuration: variants.{name}"
    if not NAME.fullmatch(name) or name in known or name.startswith("pretrain_"):
        raise UserError(
            f"{where}: expected a name of its own of small letters, digits and underscores"
        )
    of = str(variant.get("of"))
    if of not in known:
        near = nearest(of, known)
        hint = f"did you mean `{near}`?" if near else f"expected one of {', '.join(known)}"
        raise UserError(f"{where}.of: expected a method, got {of}; {hint}")
    if of in ENSEMBLES:
        raise UserError(
            f"{where}.of: ensembles have no variants, got {of}; for other keys of `ensemble` {ELSEWHERE}"
        )
    for key in variant:
        if key not in (*OWN, *SECTIONS):
            raise UserError(
                f"{where}: unknown key `{key}`; a variant has {', '.join((*OWN, *SECTIONS))}; for "
                f"other keys {ELSEWHERE}"
            )
    changes = {key: variant[key] for key in SECTIONS if key in variant}
    try:
        whole = resolve(merge(configs[0], changes))
    except UserError as error:
        raise UserError(f"{where}: {str(error).removeprefix('configuration: ')}") from error
    _check_sections(where, known[of], changes)
    for section, key in COMMON.items():
        if section in changes and whole[section][key] != configs[1][section][key]:
            raise UserError(
                f"{where}.{section}.{key}: is the same for all rows; leave it out, or {ELSEWHERE}"
            )
    title = variant.get("title", f"{known[of].title}: {describe(changes)}")
    if not (isinstance(title, str) and title.strip()):
        raise UserError(f"{where}.title: expected text, got {title!r}")
    return {"of": of, "title": title, **{key: whole[key] for key in changes}}


def _check_sections(where: str, method: Method, changes: Mapping[str, Any]) -> None:
    """Raise UserError for a section that would change what a variant shares, or nothing."""
    if isinstance(method, FineTuning):
        for key in {"pretraining", "optimizer"} & {*changes}:
            raise UserError(
                f"{where}.{key}: {method.name} continues a model of {method.start}, which is shared; "
                f"{ELSEWHERE}"
            )
    if "finetuning" in changes and (
        not isinstance(method, FineTuning) or isinstance(method, LossCorrection)
    ):
        raise UserError(
            f"{where}.finetuning: {method.name} does not use it; expected of: <method>_finetuned"
        )


def merge(below: Any, above: Any) -> Any:
    """Return keys of both, those of `above` first, in sections too."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    merged = {
        key: merge(below[key], value) if key in below else value for key, value in above.items()
    }
    return {**below, **merged}


def describe(changes: Mapping[str, Any], prefix: str = "") -> str:
    """Return what a variant changes, in words: `calibration.epochs 20`."""
    parts = [
        describe(value, f"{prefix}{key}.")
        if isinstance(value, Mapping)
        else f"{prefix}{key} {value}"
        for key, value in changes.items()
    ]
    return ", ".join(parts) or "as it is"


def put_in(config: Config, variant: Mapping[str, Any]) -> Config:
    """Return a configuration with a variant's sections; a batch that the ranks give stays."""
    sections = {key: variant[key] for key in SECTIONS if key in variant}
    if "optimizer" in sections:
        sections["optimizer"] = {**config["optimizer"], **sections["optimizer"]}
    return {**config, **sections}


def vary(method: M, name: str, variant: Mapping[str, Any], renamed: Mapping[str, str]) -> M:
    """Return a method that reads the configuration with a variant's sections in place.

    `renamed` are the names of trainings that it needs in place of its method's.
    """

    def changed(config: Config) -> Config:
        found = put_in(config, variant)
        rates = found["calibration"]["learning_rates"]
        if method.name in rates and name not in rates:
            rates = {**rates, name: rates[method.name]}
        return {**found, "calibration": {**found["calibration"], "learning_rates": rates}}

    kind = type(method)
    own = {
        each: _reading(getattr(kind, each), changed) for each in FOLLOWING if hasattr(kind, each)
    }
    own |= {
        each: _renaming(getattr(kind, each), changed, renamed)
        for each in ("preparations", "lineage")
    }
    varied = type(kind.__name__, (kind,), own)
    fields = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    return varied(**{**fields, "name": name, "title": variant["title"]})


def _reading(function: Callable[..., Any], changed: Callable[[Config], Config]) -> Any:
    return lambda self, config, *rest: function(self, changed(config), *rest)


def _renaming(
    function: Callable[..., list[str]],
    changed: Callable[[Config], Config],
    renamed: Mapping[str, str],
) -> Any:
    """Return a function whose list of trainings has other names; it takes a configuration or a role."""

    def names(self: Method, of: Config | str) -> list[str]:
        found = function(self, of if isinstance(of, str) else changed(of))
        return [renamed.get(name, name) for name in found]

    return names
