"""The schema of the configuration, what it refuses and how it says so."""

import copy
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mct.base.errors import UserError
from mct.base.keys import ADDED, Settings, parse, pick
from mct.calibration.settings import CalibrationSettings
from mct.data.settings import ImageSettings, ShardSettings
from mct.experiment.configuration import BOUNDS, KINDS, describe_keys, load_schema, resolve
from mct.experiment.definitions import make_schema
from mct.experiment.experiment import Experiment
from mct.learning.settings import (
    CleanNetSettings,
    EstimationSettings,
    EvaluationSettings,
    ModelSettings,
    OptimizerSettings,
    TrainingSettings,
)
from mct.performance.settings import ScalingSettings

SCHEMA = load_schema()
KEYWORDS = {
    *Draft202012Validator.VALIDATORS, "description", "default", "examples", "quick_start", "unit",
}  # fmt: skip
"""The draft's keywords, those that only describe, and the project's own."""
KEYS = dict(describe_keys(SCHEMA))
DEFAULTS = resolve({})


def nested(path: str, value: object) -> dict:
    """Return the configuration that sets one key, given as `section.key`."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[return-value]


def at(config: dict, path: str) -> object:
    """Return the value of a key, given as `section.key`."""
    for key in path.split("."):
        config = config[key]
    return config


@pytest.mark.parametrize("path", KEYS)
def test_every_key_has_a_description_and_a_default(path):
    assert KEYS[path]["description"].strip()
    assert KEYS[path].keys() & {"default", "quick_start"}


def test_no_part_of_the_schema_has_an_unknown_keyword():
    """A comma in a description without quotes ends it, and makes a keyword of what follows."""
    for path, part in KEYS.items():
        for piece in (part, *part.get("anyOf", ()), part.get("items", {})):
            unknown = set(piece) - KEYWORDS
            assert not unknown, f"{path}: {unknown}"
        assert part["description"].rstrip().endswith("."), path


def test_no_section_takes_unknown_keys():
    sections = [SCHEMA, *(part for part in KEYS.values() if "properties" in part)]
    assert all(section["additionalProperties"] is False for section in sections)
    objects = {path for path, part in KEYS.items() if part.get("type") == "object"}
    by_name = {path for path in objects if "properties" not in KEYS[path]}
    assert by_name == {"calibration.learning_rates", "variants"}
    assert "enum" in KEYS["calibration.learning_rates"]["propertyNames"]


def test_defaults_are_filled_in_at_every_level():
    for path, part in KEYS.items():
        if "properties" not in part:
            assert at(DEFAULTS, path) == part.get("quick_start", part.get("default")), path


def test_the_quick_starts_seeds_and_ranks_are_the_digits_alone():
    other = resolve({"dataset": {"layout": "table"}})
    assert (DEFAULTS["seeds"], DEFAULTS["ranks"]) == ([0, 1, 2], [2])
    assert (other["seeds"], other["ranks"]) == ([0], [4])


def test_given_values_replace_defaults_and_nothing_else():
    config = resolve({"optimizer": {"batch_size": 128}})
    expected = copy.deepcopy(DEFAULTS)
    expected["optimizer"]["batch_size"] = 128
    assert config == expected
    assert resolve(config) == config


@pytest.mark.parametrize(
    ("config", "unknown", "nearest"),
    [
        ({"model_": {}}, "model_", "model"),
        ({"calibrations": {}}, "calibrations", "calibration"),
        ({"optimizer": {"momentun": 0.9}}, "optimizer.momentun", "momentum"),
        ({"dataset": {"noise_rates": 0.4}}, "dataset.noise_rates", "noise_rate"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_known_one(config, unknown, nearest):
    with pytest.raises(UserError, match=f"unknown key `{unknown}`; did you mean `{nearest}`"):
        resolve(config)


def test_unknown_key_like_no_other_is_refused_with_all_known_ones():
    with pytest.raises(UserError, match=r"unknown key `images\.xyz`; known keys: size, resize"):
        resolve({"images": {"xyz": 1}})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dataset.noise_rate", -0.1),
        ("dataset.noise_rate", 1),
        ("dataset.noise_rate", "guessed"),
        ("dataset.noise_rate", float("nan")),
        ("dataset.noise_rate", "NaN"),
        ("dataset.synthetic_noise_rate", 1),
        ("dataset", None),
        ("ranks", [3]),
        ("ranks", [0]),
        ("ranks", []),
        ("ranks", 4),
        ("seeds", [1, 1]),
        ("seeds", [True]),
        ("seeds", [2**64]),
        ("methods", ["mtc"]),
        ("calibration.learning_rate", float("inf")),
        ("calibration.learning_rates", {"mct": 0}),
        ("calibration.learning_rates", {"mct": float("inf")}),
        ("calibration.temperature", 0),
        ("experiment", "a/b"),
        ("experiment", ".."),
        ("experiment", "name\n"),
        ("results", "my results"),
        ("results", "$HOME/results"),
        ("results", "{results}"),
        ("results", "-results"),
        ("results", ""),
        ("images.mean", [0.5, 0.5]),
        ("optimizer.nesterov", "yes"),
    ],
)
def test_wrong_value_is_refused_with_its_key(path, value):
    with pytest.raises(UserError, match=f"configuration: `{path}"):
        resolve(nested(path, value))


@pytest.mark.parametrize("path", ["results", "/scratch/a.b/results-2", "../höhe_1/x=y"])
def test_results_may_lie_in_any_folder_that_a_shell_takes_for_a_word(path):
    assert resolve({"results": path})["results"] == path


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("optimizer.batch_size", "3", 3),
        ("calibration.learning_rate", "1e-3", 0.001),
        ("calibration.learning_rates", {"mct": "0.2"}, {"mct": 0.2}),
        ("dataset.noise_rate", "0.25", 0.25),
        ("dataset.noise_rate", "counted", "counted"),
        ("ranks", ["2", "4"], [2, 4]),
        ("experiment", "3", "3"),
    ],
)
def test_text_becomes_a_number_where_a_number_stands(path, text, value):
    converted = at(resolve(nested(path, text)), path)
    assert repr(converted) == repr(value)  # 3, not 3.0


@pytest.mark.parametrize(
    ("path", "value"), [("ranks", [4.0]), ("optimizer.batch_size", "1e3"), ("shards.count", 2.0)]
)
def test_whole_numbers_written_with_a_point_count_as_integers_or_are_refused(path, value):
    try:
        resolved = at(resolve(nested(path, value)), path)
    except UserError:
        return
    assert all(
        type(item) is int for item in (resolved if isinstance(resolved, list) else [resolved])
    )


# What YAML can hold, and numbers as text.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
    | st.integers().map(str) | st.sampled_from(["NaN", "[", '{"a": 1}', "null", "1e400"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
MUTATIONS = st.lists(
    st.tuples(st.sampled_from([*KEYS, "unknown", "model.unknown"]), VALUES), min_size=1, max_size=3
)


@given(MUTATIONS)
@hypothesis_settings(max_examples=1000)
def test_no_configuration_fails_otherwise_than_with_a_users_error(mutations):
    config = copy.deepcopy(DEFAULTS)
    for path, value in mutations:
        *sections, key = path.split(".")
        target = config
        for section in sections:
            target = target.get(section) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target[key] = value
    try:
        resolved = resolve(config)
    except UserError as error:
        assert str(error).startswith("configuration: ")
    else:
        assert resolved.keys() == DEFAULTS.keys()


@given(VALUES)
def test_whatever_stands_for_the_configuration_is_refused_as_a_users_error(value):
    try:
        resolve(value)
    except UserError:
        return
    assert value == {} or set(value) <= set(SCHEMA["properties"])


def test_parse_fills_nested_settings_from_json():
    settings = {
        **{name: pick(DEFAULTS[name], cls) for name, cls in
           (("images", ImageSettings), ("model", ModelSettings), ("optimizer", OptimizerSettings))},
        "training_set": "noisy", "constant_epochs": {"noisy": 1},
        "decay_epochs": {}, "learning_rate": 1, "decay_learning_rate": 0.5, "schedule": "linear",
        "seed": 0,
    }  # fmt: skip
    parsed = parse(TrainingSettings, json.loads(json.dumps(settings)))
    assert parsed.images.mean == (0.5, 0.5, 0.5)
    assert parsed.model.initial_weights is None
    assert isinstance(parsed.learning_rate, float)
    assert parsed.optimizer.batch_size == DEFAULTS["optimizer"]["batch_size"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 3}, "ImageSettings: Object contains unknown field `depth`"),
        ({"size": 4}, r"ImageSettings: Expected `int` >= 8 - at `\$.size`"),
        ({"augmentation": "turn"}, r"ImageSettings: Invalid enum value 'turn'"),
        ({"mean": [0.5, 0.5]}, r"ImageSettings: Expected `array` of length >= 3 - at `\$.mean`"),
    ],
)
def test_a_stage_refuses_what_it_is_not_passed_by_a_rule(change, message):
    with pytest.raises(UserError, match=message):
        parse(ImageSettings, pick(DEFAULTS["images"], ImageSettings) | change)


def test_a_stage_refuses_to_lack_a_key_without_a_default():
    with pytest.raises(UserError, match="ImageSettings: Object missing required field `size`"):
        parse(ImageSettings, {"mean": [0, 0, 0], "std": [1, 1, 1]})


def test_the_schema_is_what_the_definitions_of_keys_make():
    """Otherwise run `workflow/tools/describe_config.py` (see docs/extending.md)."""
    assert json.loads(json.dumps(make_schema())) == SCHEMA


EXPERIMENT = Experiment(
    {"methods": ["mct", "forward", "cleannet"], "pretraining": {"schedule": "constant"}}
)


@pytest.mark.parametrize(
    ("passed", "cls"),
    [
        (EXPERIMENT.settings.training("forward", "0", "4"), TrainingSettings),
        (EXPERIMENT.settings.training("mct", "0", "4"), CalibrationSettings),
        (EXPERIMENT.settings.cleannet("0"), CleanNetSettings),
        (EXPERIMENT.settings.evaluation(), EvaluationSettings),
        (EXPERIMENT.settings.estimation(), EstimationSettings),
        (EXPERIMENT.shard_settings(), ShardSettings),
        (EXPERIMENT.settings.scaling(), ScalingSettings),
    ],
)
def test_a_rule_passes_the_value_of_each_key_of_its_stage(passed, cls):
    """Definitions are in no digest of code, so no default of them may decide, but of added keys."""
    assert_complete(json.loads(passed), cls)
    assert isinstance(parse(cls, json.loads(passed)), cls)


def test_an_added_key_is_passed_where_it_is_set():
    """At its default it is not, so that what stages are passed stays what it was."""
    given = {"size": 8, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    assert "feature_views" not in pick({**given, "feature_views": 0}, ImageSettings)
    assert pick({**given, "feature_views": 2}, ImageSettings)["feature_views"] == 2


def assert_complete(passed: dict, cls: type[Settings]) -> None:
    fields = msgspec.structs.fields(cls)
    added = {field.name for field in fields if ADDED in getattr(field.type, "__metadata__", ())}
    assert set(passed) == set(cls.__struct_fields__) - added
    for field in fields:
        if isinstance(field.type, type) and issubclass(field.type, Settings):
            assert_complete(passed[field.name], field.type)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("ranks", [], "a list of at least one item and without repetitions, got []"),
        ("images.mean", [0.5], "a list of 3 items, got [0.5]"),
        ("calibration.temperature", 0, "a number above 0, got 0"),
        ("shards.quality", 0, "a whole number of at least 1 and of at most 100, got 0"),
        ("shards.short_side", "x", "a whole number of at least 1 or null, got 'x'"),
        ("split", "train", "one of test, validation, got 'train'"),
        ("dataset", 3, "keys with values, got 3"),
        ("optimizer.nesterov", 3, "true or false, got 3"),
        ("dataset.root", 3, "text or null, got 3"),
    ],
)
def test_what_is_expected_is_said_in_plain_words(path, value, words):
    with pytest.raises(UserError) as refused:
        resolve(nested(path, value))
    assert f"`{path}`: expected {words}" in str(refused.value)


def test_every_kind_and_bound_of_the_schema_has_words():
    parts = [piece for part in KEYS.values() for piece in pieces(part)]
    names = {name for part in parts for name in part}
    assert {part["type"] for part in parts if "type" in part} <= set(KINDS)
    assert names <= {*BOUNDS, "type", "enum", "examples", "anyOf", "items", "default", "quick_start", "unit",
                     "description", "properties", "additionalProperties", "propertyNames"}  # fmt: skip


def pieces(part: dict) -> list[dict]:
    inner = [*part.get("anyOf", ()), *([part["items"]] if "items" in part else [])]
    return [part, *(piece for one in inner for piece in pieces(one))]


@pytest.mark.parametrize(("text", "value"), [("256", 256), ("null", None), (256, 256)])
def test_numbers_that_may_be_null_are_converted_from_text(text, value):
    assert resolve({"shards": {"short_side": text}})["shards"]["short_side"] == value


def test_a_rate_of_an_unknown_method_is_refused_with_the_nearest_one():
    with pytest.raises(UserError, match=r"unknown key `calibration.learning_rates.mtc`; .* `mct`"):
        resolve({"calibration": {"learning_rates": {"mtc": 0.2}}})
