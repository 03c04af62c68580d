"""Variants of methods: rows of the table that differ from a method in keys of the configuration.

A variant has the trainings before its own in common with its method (pretraining, a net that estimates
a confusion), so it costs what it changes. Its keys are those of `calibration`, `mct` and `baselines`;
what pretraining depends on is the same for all rows of an experiment.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mct.base.errors import UserError
from mct.base.texts import nearest
from mct.experiment.method import Config, Method

SECTIONS = ("calibration", "mct", "baselines")
OWN = ("of", "title")
NAME = re.compile(r"[a-z][a-z_0-9]*")
FOLLOWING = (
    "confusion_kind", "preparations", "epochs", "settings", "keys", "shares", "cost",
    "learning_rates", "phase", "clean_per_batch",
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
    return {
        str(name): _complete_one(str(name), variant, without, known, resolve)
        for name, variant in given.items()
    }


def _complete_one(
    name: str,
    variant: Mapping[str, Any],
    config: Mapping[str, Any],
    known: Mapping[str, Method],
    resolve: Resolve,
) -> dict[str, Any]:
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
    for key in variant:
        if key not in (*OWN, *SECTIONS):
            raise UserError(
                f"{where}: unknown key `{key}`; a variant has {', '.join((*OWN, *SECTIONS))}; for "
                "other keys make a second experiment, and `mct compare` both"
            )
    changes = {key: variant[key] for key in SECTIONS if key in variant}
    try:
        whole = resolve(merge(config, changes))
    except UserError as error:
        raise UserError(f"{where}: {str(error).removeprefix('configuration: ')}") from error
    title = variant.get("title", f"{known[of].title}: {describe(changes)}")
    if not (isinstance(title, str) and title.strip()):
        raise UserError(f"{where}.title: expected text, got {title!r}")
    return {"of": of, "title": title, **{key: whole[key] for key in changes}}


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


def vary(method: M, name: str, variant: Mapping[str, Any]) -> M:
    """Return a method that reads the configuration with a variant's sections in place."""
    sections = {key: variant[key] for key in SECTIONS if key in variant}

    def changed(config: Config) -> Config:
        found = {**config, **sections}
        rates = found["calibration"]["learning_rates"]
        if method.name in rates and name not in rates:
            rates = {**rates, name: rates[method.name]}
        return {**found, "calibration": {**found["calibration"], "learning_rates": rates}}

    kind = type(method)
    own = {
        each: _reading(getattr(kind, each), changed) for each in FOLLOWING if hasattr(kind, each)
    }
    varied = type(kind.__name__, (kind,), own)
    fields = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    return varied(**{**fields, "name": name, "title": variant["title"]})


def _reading(function: Callable[..., Any], changed: Callable[[Config], Config]) -> Any:
    return lambda self, config, *rest: function(self, changed(config), *rest)
