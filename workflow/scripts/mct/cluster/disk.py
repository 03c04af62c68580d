"""The disk that results of an experiment fill, roughly."""

from mct.cluster.demands import LARGEST_STORED, Cost, feature_numbers
from mct.experiment.experiment import Experiment

JPEG_BYTES_PER_PIXEL = 0.4
"""Of pictures at libjpeg's quality 95."""
ASPECT = 4 / 3
PHOTOGRAPH_BYTES = 110_000
"""Of a picture that is stored as it came; ImageNet's are 110 kB on average."""
ROW_BYTES = 100
"""Of a picture in the catalogue, in the findings of the inspection or in the table of labels."""
JUDGED_BYTES = 12
CHECKPOINTS = 4
"""Times the weights: two checkpoints while a training runs, each with the momentum; of every rank where
ranks update alone."""
RECORD_BYTES = 10
"""Of a sample in an epoch of calibration: confidences and selections."""
RECORD_COPIES = 3
"""The result and two checkpoints."""
ROWS = ("build_catalogue", "apply_reviews", "label_pictures", "label_listed_pictures")
TRAININGS = ("pretrain_auxiliary", "pretrain_primary", "train_baseline")
COPIES = 2
"""Of features: in pieces, and together."""
PIECES = ("inspect_pictures", "write_shard", "extract_features", "judge_labels")
RULES = (*ROWS, *TRAININGS, *PIECES, "calibrate_pair", "score_labels")
"""Rules whose jobs fill disks."""


def megabytes(rule: str, experiment: Experiment, cost: Cost) -> float:
    """Return the MB of a job of a rule, its checkpoints included; 0 for those that write little."""
    sizes, config = experiment.sizes, experiment.config
    pictures, weights = sum(sizes.values()), 4 * cost.parameters
    ranks = max(config["ranks"]) if config["optimizer"]["local_steps"] > 1 else 1
    record = RECORD_COPIES * RECORD_BYTES * config["calibration"]["epochs"] * sizes["noisy"]
    features = COPIES * 4 * feature_numbers(experiment, cost)
    bytes_of = {
        **dict.fromkeys(ROWS, ROW_BYTES * pictures),
        **dict.fromkeys(TRAININGS, weights * (1 + CHECKPOINTS * ranks)),
        "inspect_pictures": ROW_BYTES * pictures / config["inspection"]["parts"],
        "write_shard": picture_bytes(experiment) * pictures / config["shards"]["count"],
        "extract_features": features * pictures / config["shards"]["count"],
        "score_labels": COPIES * 4 * cost.features * (sizes["noisy"] + sizes["clean"]),
        "calibrate_pair": weights * (2 + CHECKPOINTS * max(ranks, 2)) + record,
        "judge_labels": JUDGED_BYTES * sizes["noisy"] / config["shards"]["count"],
    }
    return bytes_of.get(rule, 0) / 1e6


def picture_bytes(experiment: Experiment) -> float:
    """Return the bytes of a picture in a shard: decoded if small, else a JPEG."""
    size, short_side = (
        experiment.config[name][key] for name, key in (("images", "size"), ("shards", "short_side"))
    )
    if size <= LARGEST_STORED:
        return 3 * size * size
    return JPEG_BYTES_PER_PIXEL * ASPECT * short_side**2 if short_side else PHOTOGRAPH_BYTES
