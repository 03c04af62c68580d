"""Write one page with all that an experiment gave; it needs no other file and no network."""

from pathlib import Path

from mct.base.files import write_text
from mct.results.summary import page
from mct.results.summary_sections import sections
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, calibrated=entry.json_value, records=list, figures=list, config=Path,
        output=Path,
    )  # fmt: skip
    results, dataset = arguments.output.parent, arguments.dataset
    records, figures = arguments.records, {path.stem for path in arguments.figures}
    lead = f"Data set {dataset}. Measured on the pictures and machines that the sections name."
    parts = sections(results, dataset, arguments.calibrated, records, figures, arguments.config)
    write_text(arguments.output, page(results.name, lead, parts))


if __name__ == "__main__":
    entry.run(main)
