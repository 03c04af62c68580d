"""What rules have in common: the shell command around a program, and the resources of its job."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mct.cluster.demands import Demand

START = '"$MCT_PYTHON" "$MCT_SCRIPTS"/launch_ranks.py --attempt {resources.attempt} --log {log:q}'
ON_RANKS = (
    "--ranks {resources.ranks} --threads {resources.rank_threads} --cpus {resources.rank_cpus}"
)
RESOURCES = '"$MCT_SCRIPTS"/../resources'
PLACEHOLDER = re.compile(r"\{(?:\w+\.)*(\w+)\}")
"""A value of Snakemake, such as {input.labels} or {threads}; its flag has the last name."""

SERIAL = (
    "attempt", "tasks", "cpus_per_task", "nodes", "mem_mb_per_cpu", "mem_mb", "runtime", "work_seconds",
)  # fmt: skip
RANKS = (*SERIAL, "ranks", "mpi_tasks", "rank_threads", "rank_cpus", "mpi", "gpu", "tasks_per_gpu")


def write_options(words: str) -> str:
    """Return the options of a program, in which placeholders are quoted and have their flags.

    `{input.labels}` becomes `--labels {input.labels:q}`, unless a flag is before it.
    """
    options: list[str] = []
    for word in words.split():
        if name := PLACEHOLDER.fullmatch(word):
            if not (options and options[-1].startswith("--")):
                options.append(f"--{name[1].replace('_', '-')}")
            word = f"{word[:-1]}:q}}"
        options.append(word)
    return " ".join(options)


def write_command(
    program: str, results: str, digests: Sequence[str], files: Mapping[str, str], *, mpi: bool
) -> str:
    """Return the shell command of a rule, with placeholders of Snakemake.

    `program` is a script and what it gets. `files` of `workflow/resources` are given to it by flag. The
    digests of its code and of these files are a comment, so that a change of them reruns the rule, as
    Snakemake's trigger `code` does.
    """
    script, _, words = program.partition(" ")
    start = [START, "--results", shlex.quote(results)]
    launched = [*start, ON_RANKS, script, "--ranks {resources.ranks}"] if mpi else [*start, script]
    fixed = [f"--{flag} {RESOURCES}/{file}" for flag, file in files.items()]
    return " ".join([*launched, write_options(words), *fixed, "2> {log:q}", "#", *digests])


def demanded(
    names: Sequence[str], plan: Callable[..., Demand], of: Sequence[str]
) -> dict[str, Callable[[Any, int], Any]]:
    """Return resources as functions; `plan` gets the values of the wildcards `of`, and the attempt."""

    def resource(name: str) -> Callable[[Any, int], Any]:
        return lambda wildcards, attempt: getattr(
            plan(*(getattr(wildcards, each) for each in of), attempt), name
        )

    return {name: resource(name) for name in names}
