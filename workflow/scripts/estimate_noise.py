"""Write the noise rate of a data set: as given, or counted on pictures whose label was verified."""

import json
from pathlib import Path

from mct import entry, noise
from mct.catalogue import read_catalogue
from mct.errors import UserError
from mct.files import write_json
from mct.imagesets import read_index


def main() -> None:
    arguments = entry.options(__doc__, catalogue=Path, noisy=Path, rate=str, output=Path)
    classes = read_index(arguments.noisy)["classes"]
    rate = json.loads(arguments.rate)
    if rate == "counted":
        observed, wrong = read_catalogue(arguments.catalogue).verified()
        if not len(observed):
            raise UserError(
                "dataset.noise_rate: `counted` needs clean pictures whose observed label is known, "
                "found none; give a number"
            )
        estimate = noise.count_rate(observed, wrong, classes)
    else:
        estimate = noise.given_rate(rate, classes)
    write_json(arguments.output, estimate.to_dict())


if __name__ == "__main__":
    entry.run(main)
