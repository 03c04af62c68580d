"""Write one HDF5 shard of an intake."""

from pathlib import Path

from mct.data.intake import check_listing, retired_keys
from mct.data.layouts.registry import open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.settings import ShardSettings
from mct.data.sharding import ShardPlan, choose_members, write_shard
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, settings=str, listing=Path, digest=str, inspection=list, shard=int,
        shards=int, threads=int, output=Path,
    )  # fmt: skip
    layout = open_layout(entry.read_settings(DatasetSettings, arguments.dataset))
    settings = entry.read_settings(ShardSettings, arguments.settings)
    listing, number = arguments.listing, arguments.shard
    plan = ShardPlan(shard=number, shards=arguments.shards, source=arguments.digest)
    check_listing(listing, plan.source)
    retired = retired_keys(listing.parent, listing.stem)
    members = choose_members(listing, arguments.inspection, retired, plan)
    write_shard(members, layout, settings, plan, arguments.output, arguments.threads)


if __name__ == "__main__":
    entry.run(main)
