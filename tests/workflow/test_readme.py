"""The commands of the README do what it says; what takes minutes is only planned."""

import re
import shlex

import pytest
from projects import PROJECT, Run

BLOCKS = re.findall(r"```bash\n(.*?)```", (PROJECT / "README.md").read_text(), re.S)
COMMANDS = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
PLANS = [command for command in COMMANDS if command.startswith("snakemake -n")]
TARGETS = sorted({word for c in COMMANDS for word in re.findall(r"^make ([a-z-]+)", c)})


@pytest.mark.parametrize("command", PLANS)
def test_planned_commands_have_a_plan(snakemake: Run, command: str):
    words = shlex.split(command.replace("/data/cifar10n", "data"))[1:]
    plan = snakemake(*words)
    assert plan.returncode == 0, plan.stderr
    assert "This was a dry-run" in plan.stdout + plan.stderr


def test_named_targets_exist():
    rules = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M)
    named = re.findall(r"`make ([a-z-]+)`", (PROJECT / "README.md").read_text())
    assert PLANS
    assert TARGETS
    assert {*TARGETS, *named} <= set(rules)
