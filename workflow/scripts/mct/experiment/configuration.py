"""The configuration: what a user wrote, checked against one schema and completed.

`resolve` fills in defaults or refuses in one line. The quick start's own values are defaults of the
digits alone: for any other data set `ungiven` names the ones that are missing.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from mct.base.errors import UserError
from mct.base.texts import nearest
from mct.experiment.combinations import choose_batch
from mct.experiment.methods import METHODS
from mct.experiment.variants import complete

SCHEMA_PATH = Path(__file__).parents[3] / "schemas" / "config.schema.json"
QUICK_START = "quick_start"
"""The schema's word for a default that holds for the quick start's data set alone."""
DIGITS = "digits"
WORDS: dict[str, dict[str, bool | None]] = {
    "boolean": {"true": True, "false": False},
    "null": {"null": None},
}
"""What a text means where a key admits such a value."""
OTHER_WORDS = {"gpu": "cuda", "none": "null", "nil": "null"}
"""Values by what people call them elsewhere, where no likeness of letters leads there."""
KINDS = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "keys with values",
}
BOUNDS = {
    "minimum": "of at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "of at most {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "divisible by {}",
    "pattern": "that matches {}",
    "minItems": "of at least {} items",
    "maxItems": "of at most {} items",
    "uniqueItems": "without repetitions",
}
"""What types and bounds of the schema mean, in words."""
RENAMED = {f"shards.{name}": "shards.count" for name in ("noisy", "clean", "validation", "test")}
"""Old keys, as `section.key`, and the new key of each."""
_OF_CALIBRATION = (
    "confidence_memory", "sharpening", "strictness", "teacher: partner", "teacher_views", "views",
    "warmup_epochs",
)  # fmt: skip
RETIRED = {f"{part}.{key}": "e3bb913" for part in ("calibration", "mct") for key in _OF_CALIBRATION}
RETIRED["execution.allreduce: recursive"] = "e3bb913"
"""Keys, or `section.key: value`, and the last commit that has them."""


def load_schema() -> dict[str, Any]:
    """Return the schema of the configuration."""
    return json.loads(SCHEMA_PATH.read_bytes())


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with defaults filled in and numbers given as text converted.

    It is complete for the digits. For another data set it lacks what `ungiven` names.

    Raises UserError: an unknown key (with the nearest known one), one of an earlier version, or a
    value that the schema does not admit.
    """
    _refuse_retired(config)
    schema = load_schema()
    filled = _fill(config, schema, _words_of_defaults(config))
    _refuse_infinite(filled, "")
    errors = sorted(Draft202012Validator(schema).iter_errors(filled), key=lambda e: list(e.path))
    if errors:
        raise UserError(_explain(_innermost(errors[0])))
    resolved = choose_batch(config, filled)
    if resolved["variants"]:
        resolved["variants"] = complete(config, METHODS, resolve)
    return resolved


def _refuse_retired(config: Any) -> None:
    """Raise UserError for a key or a value that an earlier version had."""
    for key, value in _keys(config):
        if key in RENAMED:
            raise UserError(f"configuration: `{key}` is now `{RENAMED[key]}`; rename the key")
        for retired in (key, f"{key}: {value}"):
            if retired in RETIRED:
                raise UserError(
                    f"configuration: `{retired}` is retired; leave it out, or use commit "
                    f"{RETIRED[retired]}, the last that has it"
                )


def _keys(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, depth first; none of what has no keys."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield f"{prefix}{key}", value
            yield from _keys(value, f"{prefix}{key}.")


def ungiven(config: Mapping[str, Any]) -> list[str]:
    """Return the keys, as `section.key`, that a resolved configuration lacks and its user must give."""
    given = {key for key, _ in _keys(config)}
    asked = [key for key, part in describe_keys(load_schema()) if QUICK_START in part]
    return [key for key in asked if key not in given]


def _words_of_defaults(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the schema's words for defaults that a configuration gets."""
    dataset = config.get("dataset") if isinstance(config, Mapping) else None
    layout = dataset.get("layout", DIGITS) if isinstance(dataset, Mapping) else DIGITS
    return ("default", QUICK_START) if layout == DIGITS else ("default",)


def _fill(value: Any, schema: Mapping[str, Any], words: tuple[str, ...]) -> Any:
    """Return `value` with defaults filled in, and text converted where a number is needed.

    Items of a list that have keys keep those that they have: a stage is passed no others.
    """
    if isinstance(value, Mapping) and "properties" in schema:
        known = schema["properties"]
        merged = {key: part[word] for key, part in known.items() for word in words if word in part}
        merged |= {str(key): part for key, part in value.items()}
        return {key: _fill(part, known.get(key, {}), words) for key, part in merged.items()}
    if isinstance(value, Mapping) and isinstance(schema.get("additionalProperties"), Mapping):
        part = schema["additionalProperties"]
        return {str(key): _fill(item, part, words) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, _items(schema), ()) for item in value]
    return _convert(value, schema)


def _items(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema's part for items of a list, which may be one of several admitted types."""
    parts = (schema, *schema.get("anyOf", ()))
    return next((part["items"] for part in parts if "items" in part), {})


def _refuse_infinite(value: Any, key: str) -> None:
    """Raise UserError for a number that is not finite, which no bound of a schema refuses."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            _refuse_infinite(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            _refuse_infinite(part, f"{key}.{place}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"configuration: `{key}`: expected a finite number, got {value}")


def _convert(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a number for text such as "3", as `--config section={key: 3}` gives it.

    Likewise true, false and null. A whole number with a point becomes an integer where one is needed.
    """
    kinds = {part.get("type") for part in (schema, *schema.get("anyOf", ()))}
    for kind, words in WORDS.items():
        if kind in kinds and isinstance(value, str) and value in words:
            return words[value]
    if not kinds & {"number", "integer"} or "string" in kinds:
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    whole = "number" not in kinds and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _innermost(error: ValidationError) -> ValidationError:
    """Return the error of the wrong item, where a list is one of several admitted types."""
    items = [inner for inner in error.context or () if inner.path]
    return _innermost(items[0]) if items else error


def _explain(error: ValidationError) -> str:
    """Return one line that says which key is wrong, what was expected and what was got."""
    path = [str(part) for part in error.absolute_path]
    schema: Any = error.schema
    instance: Any = error.instance
    is_name = "propertyNames" in error.absolute_schema_path
    if error.validator == "additionalProperties" or is_name:
        known = list(schema["enum"] if is_name else schema["properties"])
        unknown = instance if is_name else next(str(key) for key in instance if key not in known)
        hint = _hint_of_key(unknown, known)
        return f"configuration: unknown key `{'.'.join([*path, unknown])}`; {hint}"
    meaning = str(schema.get("description", "")).strip()
    key = ".".join(path) or "top level"
    near = _meant(instance, _words(schema)) if isinstance(instance, str) else None
    end = f"; did you mean `{near}`?" if near else "."
    return (
        f"configuration: `{key}`: expected {_expected(schema)}, got {instance!r}{end} {meaning}"
    ).strip()


def _hint_of_key(unknown: str, known: list[str]) -> str:
    """Return what was probably meant by an unknown key."""
    section, dot, key = unknown.partition(".")
    if dot and section in known:
        return f"keys of a section are given as `{section}: {{{key}: ...}}`"
    near = nearest(unknown, known)
    return f"did you mean `{near}`?" if near else f"known keys: {', '.join(known)}"


def _meant(text: str, words: list[str]) -> str | None:
    """Return the admitted value that a text probably means."""
    other = OTHER_WORDS.get(text.casefold())
    return other if other in words else nearest(text, words)


def _words(schema: Mapping[str, Any]) -> list[str]:
    """Return the words that a part of the schema admits as a value, as they are written in YAML."""
    words = [word for part in schema.get("anyOf", ()) for word in _words(part)]
    words += [word for word in schema.get("enum", ()) if isinstance(word, str)]
    words += schema.get("examples", ())
    words += [schema["const"]] if isinstance(schema.get("const"), str) else []
    return words + list(WORDS.get(schema.get("type", ""), ()))


def _expected(schema: Mapping[str, Any]) -> str:
    """Return in words what a part of the schema admits."""
    if "anyOf" in schema:
        return " or ".join(_expected(part) for part in schema["anyOf"])
    if "enum" in schema:
        names = [str(name) for name in schema["enum"]]
        return f"one of {', '.join(names)}" if len(names) > 1 else names[0]
    if "minItems" in schema and schema["minItems"] == schema.get("maxItems"):
        return f"a list of {schema['minItems']} items"
    bounds = [words.format(schema[name]) for name, words in BOUNDS.items() if name in schema]
    words = " ".join([KINDS[schema["type"]], " and ".join(bounds)]).strip()
    return words.replace(" 1 items", " one item")


def describe_keys(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping]]:
    """Yield every key of the schema with its part, depth first; for documentation and tests."""
    for key, part in schema.get("properties", {}).items():
        yield prefix + key, part
        yield from describe_keys(part, f"{prefix}{key}.")
