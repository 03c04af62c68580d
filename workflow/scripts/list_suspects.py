"""List the observed labels that are probably wrong, by the mean posterior of calibrated pairs."""

from pathlib import Path

import numpy as np

from mct.base.errors import UserError
from mct.base.settings import EvaluationSettings
from mct.data.imagesets import indexed_files, open_set
from mct.learning.prediction import Predictor
from mct.results import suspects
from mct.stage import entry
from mct.stage.compute import choose_compute, hardware, versions
from mct.stage.record import write_record


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, settings=str, execution=Path, noisy=Path, classes=Path,
        auxiliary=tuple, primary=tuple, confusions=tuple, output=Path,
    )  # fmt: skip
    if not arguments.primary:
        raise UserError("methods: suspects are found by a calibrated pair; add mct (or mct_paper)")
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    execution = entry.read_execution(arguments.execution)
    compute = choose_compute(settings.model.precision, execution)
    noisy = open_set("noisy", indexed_files(arguments.noisy))
    unverified = noisy.take(np.flatnonzero(~noisy.in_clean))
    juries = [
        suspects.Judges(
            pair=[
                Predictor(weights, settings, noisy.classes, compute, execution) for weights in both
            ],
            confusion=suspects.read_assumed_confusion(confusion, noisy.classes),
        )
        for *both, confusion in zip(
            arguments.auxiliary, arguments.primary, arguments.confusions, strict=True
        )
    ]
    judgement = suspects.judge_set(unverified, juries)
    order = suspects.order_suspects(judgement, unverified.observed)
    names = arguments.classes.read_text().splitlines()
    rows = suspects.suspect_rows(unverified, judgement, order, names)
    suspects.write_list(rows, arguments.output)
    title = f"{arguments.dataset}: labels that are probably wrong"
    suspects.write_gallery(unverified, order, rows, arguments.output.with_suffix(".html"), title)
    facts = {
        "judged": len(unverified), "listed": len(rows),
        "expected_wrong_share": float(judgement.wrong.mean()),
        "measured": suspects.measure_list(unverified, judgement, order),
        "settings": settings, "hardware": hardware(compute), "versions": versions(),
    }  # fmt: skip
    write_record(arguments.output.with_suffix(".json"), facts)


if __name__ == "__main__":
    entry.run(main)
