"""Write the table of an experiment's Slurm jobs and print why those of its last run failed."""

import csv
import io
import sys
from pathlib import Path

from mct.base.files import write_text
from mct.stage import entry
from mct.workflow import accounting, jobs


def main() -> None:
    options = entry.options(__doc__, results=Path, workflow_log=Path)
    results, run = options.results, jobs.current_run(options.results)
    starts = jobs.read_starts(results)
    noted = {start.job for start in starts}
    submitted = jobs.read_submissions(options.workflow_log, run)
    starts += [start for start in submitted if start.job not in noted]
    if not starts:
        return
    rows = accounting.tabulate(starts, accounting.ask_accounting(start.job for start in starts))
    text = io.StringIO()
    table = csv.DictWriter(text, accounting.COLUMNS, delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(results / "jobs.tsv", text.getvalue())
    last = {start.job: start for start in starts if start.run == run}
    for row in accounting.failures([row for row in rows if row["job"] in last]):
        print(accounting.describe_failure(row, last[row["job"]]), file=sys.stderr)


if __name__ == "__main__":
    entry.run(main)
