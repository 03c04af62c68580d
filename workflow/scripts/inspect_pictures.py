"""Inspect one part of an intake's pictures: decode each, and note what it is."""

from pathlib import Path

from mct.data.inspection import inspect_part, write_findings
from mct.data.intake import check_listing
from mct.data.layouts.registry import open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, listing=Path, digest=str, part=int, parts=int, most_pixels=int,
        threads=int, output=Path,
    )  # fmt: skip
    layout = open_layout(entry.read_settings(DatasetSettings, arguments.dataset))
    check_listing(arguments.listing, arguments.digest)
    findings = inspect_part(
        arguments.listing, layout, arguments.part, arguments.parts, arguments.most_pixels,
        arguments.threads,
    )  # fmt: skip
    write_findings(findings, arguments.output)


if __name__ == "__main__":
    entry.run(main)
