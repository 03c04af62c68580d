"""Keys and values that the configuration had once, refused in a line that says what to do."""

from collections.abc import Iterator, Mapping
from typing import Any

from mct.base.errors import UserError

RENAMED = {f"shards.{name}": "shards.count" for name in ("noisy", "clean", "validation", "test")}
"""Old keys, as `section.key`, and the new key of each."""
_OF_CALIBRATION = (
    "confidence_memory", "sharpening", "strictness", "teacher: partner", "teacher_views", "views",
    "warmup_epochs",
)  # fmt: skip
RETIRED = {f"{part}.{key}": "e3bb913" for part in ("calibration", "mct") for key in _OF_CALIBRATION}
RETIRED["execution.allreduce: recursive"] = "e3bb913"
"""Keys, or `section.key: value`, and the last commit that has them."""


def refuse_retired(config: Any) -> None:
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
