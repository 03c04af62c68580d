"""Values of keys that each are admitted but do not go together; the schema cannot say so."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mct.base.architectures import Norms, lacks_last_norms
from mct.base.errors import UserError
from mct.base.keys import parse
from mct.base.partition import count_held_out
from mct.data.encoding import choose_encoding
from mct.learning.schedules import phase_shares
from mct.learning.settings import Phase


def choose_batch(config: Mapping[str, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid, filled-in configuration without `batch_size` where ranks give the batch.

    UserError if the configuration gives both.
    """
    optimizer = filled["optimizer"]
    if optimizer["batch_per_rank"] is None:
        return dict(filled)
    if "batch_size" in config["optimizer"]:
        raise UserError(
            "configuration: `optimizer`: expected batch_size or batch_per_rank, got both; leave one "
            "out, or set batch_per_rank to null"
        )
    without = {key: value for key, value in optimizer.items() if key != "batch_size"}
    return {**filled, "optimizer": without}


def check_views(images: Mapping[str, Any], key: str = "images.augmentation") -> None:
    """Raise UserError unless views can be cropped from pictures whose short side is `resize`.

    Pictures that are kept as pixels have the size of views already. `key` is where the kind of
    augmentation was given.
    """
    resize, size, is_random = (
        images["resize"], images["size"], images["augmentation"] == "random_crop"
    )  # fmt: skip
    if is_random and resize is None:
        raise UserError(
            f"{key}: random_crop needs images.resize, the short side that pictures have "
            f"before {size} pixels are cropped from them; for 224 pixels 256 is usual"
        )
    if resize is None:
        return
    if resize < size + is_random:
        least = f"more than images.size, {size}" if is_random else f"at least images.size, {size}"
        raise UserError(f"images.resize: expected {least}, got {resize}")
    if choose_encoding(images["encoding"], size) == "pixels":
        raise UserError(
            "images.resize: shards keep these pictures as pixels, cropped to images.size; set "
            "images.encoding to encoded, or leave images.resize out"
        )


def check_frozen(config: Mapping[str, Any]) -> None:
    """Raise UserError where what is frozen has no weights, or features are stored of what learns."""
    model, images = config["model"], config["images"]
    _check_random_start(config)
    if model["trainable"] != "all" and model["initial_weights"] is None:
        raise UserError(
            f"model.trainable: {model['trainable']} leaves the rest of the net as it starts, at random; "
            "give model.initial_weights (a file, or imagenet), or set it to all"
        )
    if images["feature_views"] and model["trainable"] == "all":
        raise UserError(
            "images.feature_views: features are what the frozen part of a net makes of pictures; set "
            "model.trainable to classifier, or to a number of stages, got all"
        )
    if images["feature_views"] and images["strong_augmentation"]:
        raise UserError(
            "images.strong_augmentation: stored features have no strong views; set it to 0, or "
            "images.feature_views to 0"
        )


def check_schedules(config: Mapping[str, Any]) -> None:
    """Raise UserError for phases that do not fit together, or not to the pictures."""
    sections = {"pretraining": config["pretraining"], "calibration": config["calibration"]}
    for name, variant in config.get("variants", {}).items():
        given = {key: variant[key] for key in ("pretraining", "calibration") if key in variant}
        sections |= {f"variants.{name}.{key}": section for key, section in given.items()}
    schedules = {f"{name}.schedule": section["schedule"] for name, section in sections.items()}
    for key in ("schedule", "collapse_schedule"):
        schedules[f"ensemble.{key}"] = config["ensemble"][key]
    for key, schedule in schedules.items():
        if not isinstance(schedule, str):
            phases = [parse(Phase, phase) for phase in schedule]
            _check_phases(key, phases, config["images"])


def _check_phases(key: str, phases: Sequence[Phase], images: Mapping[str, Any]) -> None:
    try:
        phase_shares(phases)
    except UserError as error:
        raise UserError(f"{key}: {error}; correct `share` of its phases") from error
    for place, phase in enumerate(phases):
        if phase.augmentation is None:
            continue
        if images["feature_views"]:
            raise UserError(
                f"{key}.{place}.augmentation: stored features are of views that images.augmentation "
                "made; leave the key out, or set images.feature_views to 0"
            )
        if phase.augmentation == "random_crop":
            given = {**images, "augmentation": phase.augmentation}
            check_views(given, f"{key}.{place}.augmentation")


def check_passes(trainings: Iterable[tuple[Mapping[str, Any], int]]) -> None:
    """Raise UserError where passes cannot be the work of ranks of their own.

    `trainings` are the keys of `optimizer` and the ranks of each.
    """
    for optimizer, ranks in trainings:
        passes, batch = optimizer["accumulation"], optimizer["batch_size"]
        if passes > 1 and optimizer["norm_statistics"] == "batch":
            raise UserError(
                "optimizer.accumulation: norms that take their statistics from the whole batch "
                "(optimizer.norm_statistics: batch) need all of it in one pass; set it to 1, or "
                "norm_statistics to block"
            )
        if passes > 1 and batch < passes * ranks:
            raise UserError(
                f"optimizer.accumulation: {passes} passes on each of {ranks} ranks need a batch of at "
                f"least {passes * ranks} samples, got {batch}; lower it, or raise optimizer.batch_size"
            )


def check_local_steps(optimizer: Mapping[str, Any]) -> None:
    """Raise UserError where ranks cannot update alone."""
    if optimizer["local_steps"] == 1:
        return
    if optimizer["norm_statistics"] == "batch":
        raise UserError(
            "optimizer.local_steps: norms that take their statistics from the whole batch "
            "(optimizer.norm_statistics: batch) send messages in every step; set it to 1, or "
            "norm_statistics to block"
        )
    if optimizer["trust_coefficient"]:
        raise UserError(
            "optimizer.local_steps: LARS (optimizer.trust_coefficient) sends a message in every step; set "
            "local_steps to 1, or trust_coefficient to 0"
        )
    if optimizer["gradient_wire"] != "float32":
        raise UserError(
            "optimizer.local_steps: averages of parameters would be rounded to "
            f"{optimizer['gradient_wire']} (optimizer.gradient_wire); set gradient_wire to float32"
        )


def check_norms(config: Mapping[str, Any], norms: Norms | None) -> None:
    """Raise UserError for keys about norms that exclude each other, or that the net has no norms for."""
    optimizer, model = config["optimizer"], config["model"]
    statistics = optimizer["norm_statistics"]
    if optimizer["norm_samples"] is not None and statistics != "block":
        raise UserError(
            f"optimizer.norm_samples: needs norm_statistics `block`, got `{statistics}`; leave one of "
            "the two keys out"
        )
    if optimizer["norm_momentum"] is not None and statistics == "stored":
        raise UserError(
            "optimizer.norm_momentum: with norm_statistics `stored` running statistics do not move; "
            "leave one of the two keys out"
        )
    if model["zero_last_norms"] and model["initial_weights"] is not None:
        raise UserError(
            "model.zero_last_norms: is for a net that starts at random, and this one starts from "
            "model.initial_weights; set it to false"
        )
    if model["zero_last_norms"] and norms is not None and not norms.last:
        raise UserError(lacks_last_norms(model["name"]))


def check_held_out(share: float, clean: int) -> None:
    """Raise UserError where nothing of a clean set is left for Ma's pretraining."""
    if (count := count_held_out(clean, share)) >= clean:
        raise UserError(
            f"pretraining.held_out_clean: {share:g} of {clean} clean pictures holds out {count}, which "
            "leaves none for Ma; lower it, or set it to 0"
        )


def _check_random_start(config: Mapping[str, Any]) -> None:
    """Raise UserError where a net that starts at random has a key that is for weights that are given."""
    if config["model"]["initial_weights"] is not None:
        return
    for key, is_set, value in (
        ("optimizer.norm_statistics", config["optimizer"]["norm_statistics"] == "stored", "block"),
        ("pretraining.classifier_epochs", config["pretraining"]["classifier_epochs"] > 0, "0"),
        ("model.keep_classifier", config["model"]["keep_classifier"], "false"),
    ):
        if is_set:
            raise UserError(
                f"{key}: is for a net that starts from weights, and this one starts at random; give "
                f"model.initial_weights (a file, or imagenet), or set it to {value}"
            )
