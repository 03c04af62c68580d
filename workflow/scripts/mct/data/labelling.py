"""Writing the table of labels: the catalogue joined by key with what the shards hold."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError, preview
from mct.base.files import read_json, replacing
from mct.data.catalogue import SETS, Catalogue
from mct.data.label_table import COLUMNS, FORMAT, SEAL, UNSEALED, VERSION, polars_library, sealed
from mct.data.shards import Shard, open_shard


def write_labels(
    catalogue: Catalogue,
    left_out: Mapping[str, str],
    shards: Sequence[Path],
    classes: int,
    path: Path,
) -> None:
    """Write the table of labels next to its shards; each has its index next to it.

    UserError if a picture that is not left out is in no shard, or a shard is not the one of its
    index. `left_out` says by key why a picture is in no set. `shards` are in the order of intakes:
    where a key is in several, the last has the picture.
    """
    places = locate([open_shard(shard) for shard in shards])
    kinds = [left_out.get(key, "") for key in catalogue.keys]
    nowhere = (-1, -1)
    found = [
        nowhere if kind else places.get(key.encode(), nowhere)
        for key, kind in zip(catalogue.keys, kinds, strict=True)
    ]
    shard, place = np.array(found, np.int32).reshape(-1, 2).T
    _refuse_lost(catalogue, kinds, shard, path)
    columns = {
        "sample": np.arange(len(catalogue)),
        "key": catalogue.keys,
        "path": catalogue.paths,
        "observed": catalogue.observed,
        "true": catalogue.true,
        "right": catalogue.right,
        **{name: catalogue.members[name] for name in SETS},
        "left_out": kinds,
        "shard": shard,
        "place": place,
    }
    facts = {**count_sets(catalogue, shard >= 0, classes), **_digests(shards)}
    _write(columns, {"format": FORMAT, "version": VERSION, "classes": classes, **facts}, path)


def locate(shards: Sequence[Shard]) -> dict[bytes, tuple[int, int]]:
    """Return the number of the shard, and the place in it, of every key; the last one's."""
    return {
        key: (number, place)
        for number, shard in enumerate(shards)
        for place, key in enumerate(shard.fields["key"].tolist())
    }


def _refuse_lost(
    catalogue: Catalogue, kinds: Sequence[str], shard: NDArray[np.int32], path: Path
) -> None:
    rows = zip(catalogue.keys, kinds, shard.tolist(), strict=True)
    lost = [key for key, kind, number in rows if not kind and number < 0]
    if lost:
        raise UserError(
            f"{path.parent}: {len(lost)} pictures are in no shard: {preview(lost)}; rerun with "
            "--forcerun inspect_pictures"
        )


def count_sets(
    catalogue: Catalogue, is_used: NDArray[np.bool_], classes: int
) -> dict[str, dict[str, Any]]:
    """Return the pictures of each set, and how many of each class by observed and true labels."""

    def count(labels: NDArray[np.int64], members: NDArray[np.bool_]) -> list[int]:
        return np.bincount(labels[members & (labels >= 0)], minlength=classes).tolist()

    used = {name: members & is_used for name, members in catalogue.members.items()}
    labels = {"observed": catalogue.observed, "true": catalogue.true}
    return {
        "samples": {name: int(members.sum()) for name, members in used.items()},
        "samples_per_class": {
            name: {kind: count(values, members) for kind, values in labels.items()}
            for name, members in used.items()
        },
    }


def _digests(shards: Sequence[Path]) -> dict[str, dict[str, str]]:
    found = {path.name: read_json(path.with_suffix(".json"), "seal", "sha256") for path in shards}
    return {
        "files": {name: index["sha256"] for name, index in found.items()},
        "seals": {name: index["seal"] for name, index in found.items()},
    }


def _write(columns: Mapping[str, Any], facts: Mapping[str, Any], path: Path) -> None:
    library = polars_library()
    kinds = {name: getattr(library, kind) for name, (kind, _) in COLUMNS.items()}
    table, buffer = library.DataFrame(columns, schema_overrides=kinds), io.BytesIO()
    metadata = {"mct": json.dumps(facts, sort_keys=True), "seal": (SEAL + UNSEALED).decode()}
    table.write_parquet(buffer, metadata=metadata)
    with replacing(path) as temporary:
        temporary.write_bytes(sealed(buffer.getvalue()))
