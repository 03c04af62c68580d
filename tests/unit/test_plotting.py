"""Figures are the same whatever the user's own settings of Matplotlib are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import draw_figures
import pytest

from mct.results import figures

SCRIPTS = Path(figures.__file__).parents[2]
STRANGE = """
text.usetex: True
backend: TkAgg
font.family: cursive
font.size: 30
axes.facecolor: black
axes.prop_cycle: cycler('color', ['yellow'])
figure.autolayout: True
savefig.bbox: tight
savefig.transparent: True
svg.fonttype: none
timezone: Asia/Tokyo
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("expected")
    draw_figures.main(folder)
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.*g"))}


def drawn(folder: Path, **environment: str) -> dict[str, bytes]:
    """Return the figures that a new process draws in this working directory."""
    output = folder / "figures"
    output.mkdir()
    job = subprocess.run(
        [sys.executable, draw_figures.__file__, output],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.returncode == 0, job.stderr
    return contents(output)


def test_the_users_own_style_changes_no_figure(tmp_path, expected):
    (tmp_path / "strange").write_text(STRANGE)
    assert drawn(tmp_path, MATPLOTLIBRC=str(tmp_path / "strange")) == expected
    assert len(expected) == 6


def test_settings_in_the_directory_or_unreadable_ones_change_no_figure(tmp_path, expected):
    """Before, a backend without meaning or a comment in Latin-1 was a traceback."""
    (tmp_path / "matplotlibrc").write_text(STRANGE)
    (tmp_path / "latin").write_bytes("# grün\n".encode("latin-1"))
    environment = {"MATPLOTLIBRC": str(tmp_path / "latin"), "MPLBACKEND": "nonsense"}
    assert drawn(tmp_path, **environment) == expected


def test_matplotlib_is_imported_in_one_place():
    imports = re.compile(r"^\s*(import|from) matplotlib", re.MULTILINE)
    importing = [path for path in SCRIPTS.rglob("*.py") if imports.search(path.read_text())]
    assert importing == [SCRIPTS / "mct/results/plotting.py"]
