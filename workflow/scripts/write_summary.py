"""Write one page with all that an experiment gave; it needs no other file and no network."""

from pathlib import Path

from mct.base.files import read_json, write_text
from mct.results import summary
from mct.results.tables import read_rows
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, calibrated=entry.json_value, records=list, config=Path, output=Path
    )
    results, dataset = arguments.output.parent, arguments.dataset
    tables = results / "tables"
    accuracy = summary.table(summary.result_rows(read_rows(tables / "accuracy.tsv")))
    records = {f"{path.parts[-3]}/{path.parts[-2]}": read_json(path) for path in arguments.records}
    sections = {
        "Result": accuracy + summary.caption_of(tables / "accuracy.tsv")
        + drawn(results, "accuracy", "Accuracy of each method"),
        "Classes": summary.table_of(tables / "recall.tsv")
        + drawn(results, "confusion", "Confusion matrices of the first run"),
        "Curves": drawn(results, "curves", "Validation accuracy of each method")
        + "".join(curves(results, name) for name in arguments.calibrated),
        "Noise rate": optional(tables / "noise.tsv"),
        "Pictures": pictures(results),
        "Wrong labels": suspects(results, dataset),
        "Cost": cost(tables, records),
        "Configuration": summary.code(arguments.config.read_text("utf-8")),
    }  # fmt: skip
    lead = f"Data set {dataset}. Measured on the pictures and machines that the sections name."
    write_text(arguments.output, summary.page(results.name, lead, sections))


def drawn(results: Path, name: str, text: str) -> str:
    """Return a figure of the experiment."""
    return summary.figure(results / f"figures/{name}.svg", text)


def curves(results: Path, method: str) -> str:
    """Return the figures of the training of a pair."""
    kinds = {"training": "Losses and selection", "selection": "What was selected, by class"}
    return f"<h3>{method}</h3>" + "".join(
        drawn(results, f"{kind}_{method}", f"{text} of {method}") for kind, text in kinds.items()
    )


def optional(path: Path) -> str:
    """Return a table, or nothing where the experiment has none."""
    return summary.table_of(path) if path.is_file() else ""


def pictures(results: Path) -> str:
    """Return what was found in the pictures, and how many each class has."""
    tables = [summary.table_of(results / f"tables/{name}.tsv") for name in ("pictures", "classes")]
    return drawn(results, "pictures", "Pictures by class and by size") + "".join(tables)


def suspects(results: Path, dataset: str) -> str:
    """Return the first labels that are probably wrong, where they have been looked for."""
    path = results / f"suspects/{dataset}.tsv"
    if not path.is_file():
        return summary.made(
            "Not looked for yet: the target `suspects` lists labels that are probably wrong."
        )
    rows = read_rows(path)
    page = f'<p><a href="suspects/{dataset}.html">The page of suspects</a></p>'
    return (
        page + summary.table(rows) + summary.made(f"{len(rows):,} labels in suspects/{dataset}.tsv")
    )


def cost(tables: Path, records: dict) -> str:
    """Return what trainings took, and their steps."""
    text = "Measured by the trainings themselves, hours of all runs. Core hours count threads of ranks."
    return (
        summary.table(summary.cost_rows(records)) + summary.made(text)
        + summary.table_of(tables / "scaling.tsv")
    )  # fmt: skip


if __name__ == "__main__":
    entry.run(main)
