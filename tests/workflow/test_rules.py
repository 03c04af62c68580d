"""Rules read as sentences: short, each with one program, whose command names what it takes."""

import re
import runpy
import shlex
from pathlib import Path
from statistics import mean

import pytest
from projects import PROJECT, run_snakemake

from mct.stage import entry

SCRIPTS = PROJECT / "workflow/scripts"
RULES = sorted((PROJECT / "workflow/rules").glob("*.smk"))
METHODS = ["noise_only", "forward_finetuned", "glc", "cleannet", "mct_paper", "mct"]


def lengths(path: Path) -> dict[str, int]:
    """Return the lines of each rule in a file, up to the last that is not empty."""
    text = path.read_text() + "\n"
    blocks = re.findall(r"^((?:use )?rule (?:\w+ as )?(\w+).*:\n(?:[ \n].*\n|\n)*)", text, re.M)
    return {name: len(block.strip().splitlines()) for block, name in blocks}


def test_rules_are_short():
    found = {name: lines for path in RULES for name, lines in lengths(path).items()}
    named = re.findall(r"^(?:use )?rule ", "".join(path.read_text() for path in RULES), re.M)
    assert len(found) == len(named) > 20
    assert mean(found.values()) < 22
    assert {name: lines for name, lines in found.items() if lines > 40} == {}


def declared(script: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the options of a program, as it declares them."""

    class DeclaredError(Exception):
        pass

    def options(description: str | None, **arguments: type) -> None:
        raise DeclaredError(*arguments)

    monkeypatch.setattr(entry, "options", options)
    main = runpy.run_path(str(SCRIPTS / script))["main"]
    with pytest.raises(DeclaredError) as raised:
        main()
    return {f"--{name.replace('_', '-')}" for name in raised.value.args}


@pytest.fixture(scope="module")
def commands(project: Path) -> dict[str, list[list[str]]]:
    """Return the words of the commands of a new experiment, by program, as `snakemake -p` shows them."""
    options = ("--config", "experiment=rules", f"methods=[{','.join(METHODS)}]", "-n", "-p")
    targets = ("all", "suspects", "export", "performance")
    run = run_snakemake(project, *targets, "--configfile", "tiny.yaml", "--cores", 4, *options)
    assert run.returncode == 0, run.stderr
    found: dict[str, list[list[str]]] = {}
    for line in (run.stdout + run.stderr).splitlines():
        if "launch_ranks.py" in line:
            words = shlex.split(line.removeprefix("Shell command:"), comments=True)
            [script] = [word for word in words[2:] if word.endswith(".py")]
            found.setdefault(script, []).append(words)
    return found


def test_a_command_gives_its_program_exactly_the_options_that_this_declares(commands, monkeypatch):
    assert len(commands) > 20
    for script, jobs in commands.items():
        expected = sorted(declared(script, monkeypatch))
        for words in jobs:
            own = words[words.index(script) + 1 :]
            given = [word for word in own if word.startswith("--")]
            assert sorted(given) == expected, script
            assert words[:2] == ["$MCT_PYTHON", "$MCT_SCRIPTS/launch_ranks.py"]
            assert words[words.index("--log") + 1] == words[-1]  # standard error goes there
            assert words[-2] == "2>"


def test_stages_of_one_program_that_differ_in_their_rule_have_the_same_form(commands):
    forms = {
        tuple(word for word in words if word.startswith("--"))
        for words in commands["train_model.py"]
    }
    roles = {words[words.index("--role") + 1] for words in commands["train_model.py"]}
    assert (len(forms), roles) == (1, {"auxiliary", "primary"})


def test_one_module_alone_uses_what_snakemake_does_not_document():
    internals = r"workflow\.(?:_|dag|scheduler|modifier|\w+_settings|touch|dryrun|exec|remote)"
    users = {
        path.name
        for path in (PROJECT / "Snakefile", *RULES, *SCRIPTS.rglob("*.py"))
        if re.search(internals, path.read_text())
    }
    assert users == {"snakemake_internals.py"}
