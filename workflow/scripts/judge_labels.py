"""Judge the observed labels of a noisy shard, by the mean posterior of calibrated pairs."""

from pathlib import Path

from mct.data.imagesets import open_set
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings
from mct.results import suspects
from mct.stage import entry
from mct.stage.compute import choose_compute


def main() -> None:
    arguments = entry.options(
        __doc__, settings=str, execution=Path, shard=Path, auxiliary=list, primary=list,
        confusions=list, output=Path,
    )  # fmt: skip
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    execution = entry.read_execution(arguments.execution)
    compute = choose_compute(settings.model.precision, execution)
    judged = suspects.unverified(open_set("noisy", [arguments.shard]))
    juries = [
        suspects.Judges(
            pair=[Predictor(path, settings, judged.classes, compute, execution) for path in both],
            confusion=suspects.read_assumed_confusion(confusion, judged.classes),
        )
        for *both, confusion in zip(
            arguments.auxiliary, arguments.primary, arguments.confusions, strict=True
        )
    ]
    suspects.write_judgement(judged, suspects.judge_set(judged, juries), arguments.output)


if __name__ == "__main__":
    entry.run(main)
