"""Write the noise of a data set: its rate as given or counted, and the counted confusion."""

from dataclasses import asdict, replace
from pathlib import Path

from mct.base.errors import UserError
from mct.base.files import write_json
from mct.data.catalogue import read_catalogue
from mct.data.label_table import read_index
from mct.labels import noise
from mct.labels.confusions import counted_matrix
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, catalogue=Path, labels=Path, rate=entry.json_value, output=Path
    )
    classes, rate = read_index(arguments.labels)["classes"], arguments.rate
    catalogue = read_catalogue(arguments.catalogue)
    observed, true = catalogue.doubly_labelled()
    if rate == "counted":
        judged, wrong = catalogue.verified()
        if not len(judged):
            raise UserError(
                "dataset.noise_rate: `counted` needs clean pictures whose observed label is known, "
                "found none; give a number"
            )
        estimate = noise.count_rate(judged, wrong, classes)
    else:
        estimate = noise.given_rate(rate, classes)
    if len(observed):
        matrix = counted_matrix(observed, true, classes, estimate.rate)
        estimate = replace(estimate, matrix=matrix.tolist(), matrix_samples=len(observed))
    write_json(arguments.output, asdict(estimate))


if __name__ == "__main__":
    entry.run(main)
