"""Write a table of labels as TSV, for people: one row per picture, with the name of its shard."""

from pathlib import Path

import find_library  # noqa: F401

from mct.base.files import replacing
from mct.data.label_table import polars_library, read_index, read_table
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, labels=Path, output=Path)
    polars = polars_library()
    names = [*read_index(arguments.labels)["files"], None]  # -1, left out, is the last
    table = read_table(arguments.labels)
    shard = polars.Series("shard", [names[number] for number in table["shard"]], polars.String)
    with replacing(arguments.output) as temporary:
        table.with_columns(shard).write_csv(temporary, separator="\t")


if __name__ == "__main__":
    entry.run(main)
