"""The entry point of `mct`: finds the subcommand, reads its options, and runs it."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from inspect import getdoc
from typing import Any

from mct.base.errors import UserError
from mct.base.texts import nearest
from mct.stage import entry

COMMANDS = {
    "init": "look at data and write a configuration for it",
    "check": "show what a configuration will do: classes, noise rate, steps, hours, disk",
    "status": "show the running stages: epoch, samples per second, time left",
    "suspects": "find labels that are probably wrong, take reviews, exchange with other programs",
    "predict": "predict the classes of pictures in files",
    "export": "hand the model over: safetensors, ONNX, a model card",
    "tensorboard": "write the curves of finished trainings as event files",
    "compare": "set two experiments side by side, seed by seed",
    "clean": "show what of the results can go, how much it frees, and remove it",
}
PARTS = {"suspects": ("apply", "export", "import")}
"""Second words of commands that are modules of their own: `suspects_apply`."""
HELP = ("-h", "--help", "help")


def start() -> None:
    """Run `mct` with the arguments of this process."""
    entry.run(guarded)


def guarded() -> None:
    """Call the subcommand; an error of the system is one line, a reader that has gone is none."""
    try:
        call(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise UserError(f"{error.filename or 'mct'}: {error.strerror or error}") from error


def call(arguments: Sequence[str]) -> None:
    """Run a subcommand; UserError for an unknown one."""
    name, *rest = arguments or ["--help"]
    if name in HELP:
        print(overview())
        return
    if name not in COMMANDS:
        near = nearest(name, COMMANDS)
        hint = f"did you mean `{near}`?" if near else f"expected one of {', '.join(COMMANDS)}"
        raise UserError(f"mct {name}: no such command; {hint}")
    if rest and rest[0] in PARTS.get(name, ()):
        name = f"{name}_{rest.pop(0)}"
    module: Any = import_module(f"{__package__}.{name}")
    prog = f"mct {name.replace('_', ' ')}"
    parser = argparse.ArgumentParser(prog=prog, description=getdoc(module))
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_arguments(parser)
    module.run(parser.parse_args(rest))


def overview() -> str:
    """Return the commands, one a line."""
    width = max(map(len, COMMANDS))
    lines = [f"  mct {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "Mutual Calibration Training: the workflow itself runs as `snakemake --cores N`.",
            "",
            *lines,
            "",
            "`mct COMMAND --help` says what a command takes.",
        ]
    )
