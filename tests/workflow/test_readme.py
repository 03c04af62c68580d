"""The commands of README and documents do what they say; what takes minutes is only planned."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from made_data import image_folder
from projects import LONG, PROJECT, Run, run_command, run_snakemake

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXTS = {path.relative_to(PROJECT): path.read_text() for path in PAGES}
README = TEXTS[Path("README.md")]


def commands_of(text: str) -> list[str]:
    """Return the lines of the blocks of commands in a text, without comments."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


OF_A_PAGE = {path: commands_of(text) for path, text in TEXTS.items()}
COMMANDS = [command for commands in OF_A_PAGE.values() for command in commands]
PLANS = sorted({command for command in COMMANDS if command.startswith("snakemake -n")})
TARGETS = sorted({word for c in COMMANDS for word in re.findall(r"^make ([a-z-]+)", c)})
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("command", PLANS)
def test_planned_commands_have_a_plan(snakemake: Run, command: str):
    words = shlex.split(command.replace("/data/cifar10n", "data"))[1:]
    plan = snakemake(*words)
    assert plan.returncode == 0, plan.stderr
    assert "This was a dry-run" in plan.stdout + plan.stderr


def test_named_targets_exist():
    rules = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M)
    named = re.findall(r"`make ([a-z-]+)", "".join(TEXTS.values()))
    assert PLANS
    assert TARGETS
    assert {*TARGETS, *named} <= set(rules)


@pytest.mark.parametrize(
    "path", [*TEXTS, Path("config/README.md"), Path("benchmarks/README.md")], ids=str
)
def test_links_lead_somewhere(path: Path):
    links = LINK.findall((PROJECT / path).read_text())
    local = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]
    assert [link for link in local if not (PROJECT / path.parent / link).exists()] == []


def test_the_readme_is_short():
    assert len(README.splitlines()) < 130


def test_every_target_of_make_is_explained():
    shown = subprocess.run(
        ["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    rules = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M)
    assert [rule for rule in rules if f"make {rule} " not in shown.stdout] == []


@LONG
def test_own_data_go_from_a_folder_to_predictions_by_the_commands_of_the_readme(project: Path):
    """Those of `## Your own data`, with the folder of the pictures put in and less to learn."""
    image_folder(project / "pictures", 120)
    [part] = re.findall(r"## Your own data\n(.*?)\n## ", README, re.S)
    ran = []
    for command in commands_of(part):
        words = shlex.split(
            command.replace("~/pictures", "pictures").replace("photos/", "pictures/test")
        )
        if words[0] == "mct":
            run = run_command(project, *words[1:])
        elif words[0] == "snakemake":
            run = run_snakemake(project, *words[1:])
        else:  # the environment is there
            continue
        assert run.returncode == 0, run.stderr
        ran.append(f"{words[0]} {words[1]}")
        if words[1] == "init":
            shorten(project / "pictures.yaml")
    assert ran == [
        "mct init", "mct check", "snakemake --cores", "mct predict", "mct export", "mct suspects",
    ]  # fmt: skip
    assert (project / "results/pictures/suspects/pictures.tsv").is_file()


def shorten(config: Path) -> None:
    """Have a configuration train one method and seed for a few epochs."""
    text = re.sub(r"(epochs\w*): \d+", r"\1: 2", config.read_text())
    text = re.sub(r"methods: \[.*?\]", "methods: [mct]", text)
    config.write_text(text.replace("seeds: [0, 1, 2]", "seeds: [0]"))
