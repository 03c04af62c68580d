"""Write one HDF5 shard of one set."""

from pathlib import Path

from mct import entry
from mct.catalogue import read_catalogue
from mct.files import file_digest
from mct.layouts import open_layout
from mct.settings import DatasetSettings, ShardSettings
from mct.shards import ShardPlan, write_shard


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, settings=str, catalogue=Path, set=str, shard=int, output=Path
    )
    layout = open_layout(entry.read_settings(DatasetSettings, arguments.dataset))
    plan = ShardPlan(
        set_name=arguments.set,
        shard=arguments.shard,
        classes=len(layout.class_names()),
        source=file_digest(arguments.catalogue),
    )
    settings = entry.read_settings(ShardSettings, arguments.settings)
    write_shard(read_catalogue(arguments.catalogue), layout, settings, plan, arguments.output)


if __name__ == "__main__":
    entry.run(main)
