"""Write the table of how the experiment's own trainings scale, and the sidecar that says what made it."""

import json
from pathlib import Path

from mct.base.files import write_json
from mct.performance import runs
from mct.results.tables import read_results, read_rows, write_table
from mct.stage import entry

CAPTION = """Measured on {machines}. Seconds are those of a mean step of all seeds, without the first steps of
each run, means over its ranks: the columns `compute_seconds` to `other_seconds` are parts of `step_seconds`.
`reading` waits for pictures, `averaging` for the sum of gradients (on a GPU with the end of backward),
`gathering` for confidences, a teacher's targets and what a shared trunk hands on; `other` has checkpoints and
the agreement of ranks to go on.
`ranks` are the training's own: the two pretrainings share those of the run (`run_ranks`) and run at the same
time. Speed-up and efficiency compare samples per second with the fewest ranks of the same training; where
there is one number of ranks they are empty. `hours` is the whole training at this speed. Published: hours of
90 epochs of AlexNet on Clothing1M, 128 pictures a core group, which the named source measured on its machine;
speed-up and efficiency were computed from them here."""


def main() -> None:
    arguments = entry.options(
        __doc__, titles=str, config=Path, records=list, published=Path, output=Path
    )
    records, published = read_results(arguments.records), read_rows(arguments.published)
    rows = runs.run_rows(records, json.loads(arguments.titles), published)
    write_table(rows, arguments.output, CAPTION.format(machines=runs.machines_of(records)))
    times = {
        str(path): {name: record.get(name) for name in ("hardware", "step_times")}
        for path, record in zip(arguments.records, records.values(), strict=True)
    }
    made_by = {"configuration": entry.read_keys(arguments.config), "runs": times}
    write_json(arguments.output.with_suffix(".json"), made_by)


if __name__ == "__main__":
    entry.run(main)
