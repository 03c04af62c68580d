"""Judge the observed labels of a shard's noisy pictures, by the mean posterior of calibrated pairs."""

from pathlib import Path

from mct.calibration.judges import Judges, judge_set
from mct.data.imagesets import open_set
from mct.labels.confusions import read_assumed_confusion
from mct.labels.judging import write_judgement
from mct.learning.precision import with_measured
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, settings=str, execution=Path, labels=Path, precision=tuple, shard=str,
        auxiliary=list, primary=list, confusions=list, output=Path,
    )  # fmt: skip
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    execution = entry.read_execution(arguments.execution)
    features, shard = settings.images.stores_features, f"{arguments.shard}.h5"
    noisy = open_set("noisy", arguments.labels, features=features, only_shard=shard)
    judged = noisy.unverified()
    juries = [
        Judges(
            pair=[Predictor(path, settings, judged.classes, execution) for path in both],
            confusion=read_assumed_confusion(confusion, judged.classes),
        )
        for *both, confusion in zip(
            arguments.auxiliary, arguments.primary, arguments.confusions, strict=True
        )
    ]
    write_judgement(judged.sample, judge_set(judged, juries), arguments.output)


if __name__ == "__main__":
    entry.run(main)
