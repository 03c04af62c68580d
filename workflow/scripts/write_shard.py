"""Write one HDF5 shard of one set."""

from pathlib import Path

from mct import entry
from mct.catalogue import read_catalogue
from mct.files import file_digest, write_text
from mct.imagesets import quarantine_file
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
    catalogue = read_catalogue(arguments.catalogue)
    rejected = write_shard(catalogue, layout, settings, plan, arguments.output)
    lines = "".join(f"{key}\t{reason}\n" for key, reason in rejected)
    write_text(quarantine_file(arguments.output), lines)


if __name__ == "__main__":
    entry.run(main)
