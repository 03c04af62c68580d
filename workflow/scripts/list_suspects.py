"""List the observed labels that are probably wrong, and write a page to review the first of them."""

from pathlib import Path

from mct.base.errors import UserError
from mct.base.files import write_json, write_rows
from mct.base.texts import read_names
from mct.data.imagesets import open_set
from mct.labels.judging import read_judgements
from mct.results import suspects
from mct.results.page import page_data, write_page
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, labels=Path, classes=Path, judgements=list, shown=int, template=Path,
        output=Path,
    )  # fmt: skip
    judged = open_set("noisy", arguments.labels).unverified()
    if not len(judged):
        raise UserError("dataset: every noisy picture is in the clean set; no label is unverified")
    judgement = read_judgements(judged.sample, arguments.judgements)
    order = suspects.order_suspects(judgement, judged.observed)
    names = read_names(arguments.classes)
    rows = suspects.suspect_rows(judged, judgement, order, names)
    write_rows(arguments.output, suspects.COLUMNS, rows)
    data = page_data(judged, judgement, order, names, arguments.shown)
    write_page(data, arguments.dataset, arguments.template, arguments.output.with_suffix(".html"))
    facts = {
        "judged": len(judged),
        "listed": len(rows),
        "mean_wrong_probability": float(judgement.wrong.mean()),
        "measured": suspects.measure_list(judged, judgement, order),
    }
    write_json(arguments.output.with_suffix(".json"), facts)


if __name__ == "__main__":
    entry.run(main)
