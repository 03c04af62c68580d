"""Write one HDF5 shard of one set."""

from pathlib import Path

from mct.base.files import file_digest
from mct.data.layouts.registry import open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.quarantine import read_keys
from mct.data.settings import ShardSettings
from mct.data.sharding import ShardPlan, choose_members, write_shard
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, settings=str, catalogue=Path, inspection=list, quarantine=Path,
        set=str, shard=int, threads=int, output=Path,
    )  # fmt: skip
    layout = open_layout(entry.read_settings(DatasetSettings, arguments.dataset))
    settings = entry.read_settings(ShardSettings, arguments.settings)
    plan = ShardPlan(
        set_name=arguments.set,
        shard=arguments.shard,
        classes=len(layout.class_names()),
        source=file_digest(arguments.catalogue),
    )
    left_out = read_keys(arguments.quarantine)
    members = choose_members(arguments.catalogue, arguments.inspection, left_out, settings, plan)
    write_shard(members, layout, settings, plan, arguments.output, arguments.threads)


if __name__ == "__main__":
    entry.run(main)
