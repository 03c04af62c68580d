"""Shards and a table of labels, made of a catalogue in one process."""

from pathlib import Path

from mct.base.files import write_json
from mct.data.catalogue import Catalogue
from mct.data.inspection import find
from mct.data.intake import Listed
from mct.data.labelling import write_labels
from mct.data.layouts.base import Layout
from mct.data.pictures import MOST_PIXELS
from mct.data.settings import ShardSettings
from mct.data.sharding import Member, ShardPlan, deal, write_shard
from mct.data.shards import index_shard


def store(
    catalogue: Catalogue, layout: Layout, settings: ShardSettings, folder: Path, shards: int = 1
) -> Path:
    """Write all pictures of a catalogue as shards, and return their table of labels."""
    listed = list(map(Listed, catalogue.keys, catalogue.paths))
    paths = [folder / f"0-{shard:04d}.h5" for shard in range(shards)]
    for shard, path in enumerate(paths):
        rows = [listed[place] for place in deal(len(listed), shards, shard)]
        members = [Member(row, find(row, layout, MOST_PIXELS)) for row in rows]
        plan = ShardPlan(shard=shard, shards=shards, source="benchmark")
        write_shard(members, layout, settings, plan, path, threads=2)
        write_json(path.with_suffix(".json"), index_shard(path))
    classes = int(max(catalogue.observed.max(), catalogue.true.max())) + 1
    write_labels(catalogue, {}, paths, classes, folder / "labels.parquet")
    return folder / "labels.parquet"
