"""Write the table of noise rates (TSV, Markdown) and the sidecar that says what made it."""

from pathlib import Path

from mct.base.files import read_json, write_json
from mct.base.texts import read_names
from mct.results.noise_table import noise_rows
from mct.results.tables import name_clean_set, write_table
from mct.stage import entry

CAPTION = """Percent of labels in the noisy set that are wrong, of all and of those observed as a class. The
first row feeds M and N. Intervals are Wilson's at 95 %, of counts. The other two estimators look at
`samples` noisy pictures with Ma, which was trained on clean pictures alone and on none of these
(noisy pictures that are clean as well enter with both of their labels); they have no interval,
since what they assume errs more than their samples do. The truth, where it is known, serves to
judge them and nothing else."""


def main() -> None:
    arguments = entry.options(
        __doc__, clean=str, config=Path, configured=Path, models=Path, classes=Path, output=Path
    )
    configured = read_json(arguments.configured, "method", "rate")
    models = read_json(arguments.models, "estimates")
    classes = read_names(arguments.classes)
    caption = name_clean_set(CAPTION, arguments.clean)
    write_table(noise_rows(configured, models, classes), arguments.output, caption)
    config = entry.read_keys(arguments.config)
    made_by = {"configuration": config, "configured": configured, "models": models}
    write_json(arguments.output.with_suffix(".json"), made_by)


if __name__ == "__main__":
    entry.run(main)
