"""The profile that Snakemake applies by itself."""

import runpy
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHECK = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())["__definitions__"][0]


@pytest.mark.parametrize(
    "named",
    [["-s", "{}"], ["-s{}"], ["--snakefile", "{}"], ["--snakefile={}"]],
    ids=["-s PATH", "-sPATH", "--snakefile PATH", "--snakefile=PATH"],
)
def test_a_broken_configuration_is_named_however_the_snakefile_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named
):
    path = tmp_path / "mine.yaml"
    path.write_text("seeds: [")
    monkeypatch.chdir(tmp_path)
    snakefile = [word.format(ROOT / "Snakefile") for word in named]
    monkeypatch.setattr(sys, "argv", ["snakemake", "-n", *snakefile, "--configfile", str(path)])
    monkeypatch.delitem(sys.modules, "mct.base.yaml_files", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as ending:
        runpy.run_path(str(write(tmp_path / "check.py")), run_name="profile")
    assert ending.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: line 1, column 9: this is not YAML")


def write(path: Path) -> Path:
    """Write the statements of the profile as a program."""
    path.write_text(CHECK)
    return path
