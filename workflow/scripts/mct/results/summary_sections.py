"""What stands on the page of an experiment, section by section, from its tables, figures and records."""

from collections.abc import Collection, Sequence
from pathlib import Path

from mct.base.files import read_json
from mct.results import summary
from mct.results.tables import read_rows

RESULT = """Measured after the last epoch: mean and standard deviation over seeds, and differences to MCT
seed by seed with their 95 % interval (which needs two seeds or more). Mp is the model to use; samples
are those it was trained on."""
COMMANDS = """# classes of pictures in files
mct predict {results} PICTURES

# labels that are probably wrong, and a page to review them
mct suspects CONFIG

# the model for others: safetensors, ONNX, a model card
mct export CONFIG"""


def sections(
    results: Path,
    dataset: str,
    calibrated: Sequence[str],
    records: Sequence[Path],
    figures: Collection[str],
    config: Path,
) -> dict[str, str]:
    """Return the sections of the page as HTML by their titles.

    `calibrated` are the methods that calibrate a pair, `records` those of all trainings, `figures` the
    names of the experiment's figures.
    """
    tables = results / "tables"
    accuracy = summary.table(summary.result_rows(read_rows(tables / "accuracy.tsv")))
    by_name = {f"{path.parts[-3]}/{path.parts[-2]}": read_json(path) for path in records}
    return {
        "Result": accuracy + summary.made(RESULT)
        + summary.folded("How the table was made", summary.caption_of(tables / "accuracy.tsv"))
        + summary.figure(results / "figures/accuracy.svg", "Accuracy of each method", wide=False),
        "Use it": summary.code(COMMANDS.format(results=results)),
        "Classes": summary.table_of(tables / "recall.tsv")
        + drawn(results, "confusion", "Confusion matrices of the first run"),
        "Curves": drawn(results, "curves", "Validation accuracy of each method")
        + "".join(curves(results, name) for name in calibrated),
        **({"Learning rates": schedules(results)} if "schedules" in figures else {}),
        "Noise rate": optional(tables / "noise.tsv"),
        "Pictures": pictures(results),
        "Wrong labels": suspects(results, dataset),
        "Cost": cost(tables, by_name),
        "Configuration": summary.folded(
            "All keys, defaults included", summary.code(config.read_text("utf-8"))
        ),
    }  # fmt: skip


def drawn(results: Path, name: str, text: str) -> str:
    """Return a figure of the experiment."""
    return summary.figure(results / f"figures/{name}.svg", text)


def curves(results: Path, method: str) -> str:
    """Return the figures of the training of a pair."""
    kinds = {"training": "Losses and selection", "selection": "What was selected, by class"}
    return f"<h3>{method}</h3>" + "".join(
        drawn(results, f"{kind}_{method}", f"{text} of {method}") for kind, text in kinds.items()
    )


def schedules(results: Path) -> str:
    """Return how the rates of trainings went."""
    figure = drawn(results, "schedules", "Learning rate of each training over its samples")
    return figure + summary.table_of(results / "tables/schedules.tsv")


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
        + summary.folded("The steps of each training", summary.table_of(tables / "scaling.tsv"))
    )  # fmt: skip
