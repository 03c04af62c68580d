"""How entry points end: a line for what a user can mend."""

from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.base.files import write_text
from mct.data.layouts.settings import DatasetSettings
from mct.stage import entry


@pytest.mark.parametrize("name", ["folder", "folder/file/it", "folder/file/below/it"])
def test_an_output_that_cannot_be_a_file_ends_in_a_line(tmp_path: Path, capsys, name: str):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").touch()
    with pytest.raises(SystemExit) as ending:
        entry.run(lambda: write_text(tmp_path / name, "text"))
    assert ending.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("error: a file cannot be written or read: ")
    assert str(tmp_path / "folder") in line
    assert line.endswith("; name a file, below folders, then run again\n")


def test_an_output_without_a_name_ends_in_a_line(capsys):
    with pytest.raises(SystemExit) as ending:
        entry.run(lambda: write_text(Path(), "text"))
    assert ending.value.code == 2
    assert capsys.readouterr().err.endswith("'.'; name a file, below folders, then run again\n")


def test_ctrl_c_ends_without_a_traceback(capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ending:
        entry.run(interrupted)
    assert ending.value.code == 130
    assert not capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "a: [", "seeds: [0]", "execution: 3"])
def test_a_damaged_configuration_is_named(tmp_path: Path, text: str):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml: "):
        entry.read_execution(tmp_path / "config.yaml")


@pytest.mark.parametrize("text", ["", "{x", "{'layout': 'digits'}"])
def test_settings_that_are_no_json_are_named(text: str):
    with pytest.raises(UserError, match=r"^DatasetSettings: expected JSON, got "):
        entry.read_settings(DatasetSettings, text)


def test_an_option_that_is_no_json_is_named(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["stage.py", "--titles", "{x"])
    with pytest.raises(SystemExit) as ending:
        entry.options("A stage.", titles=entry.json_value)
    assert ending.value.code == 2
    assert "argument --titles: expected JSON, got '{x': " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "1.5", "abc", "", "\u0663"])
def test_a_number_that_counts_nothing_is_refused(monkeypatch, capsys, text: str):
    monkeypatch.setattr("sys.argv", ["stage.py", f"--part={text}"])
    with pytest.raises(SystemExit) as ending:
        entry.options("A stage.", part=int)
    assert ending.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == (
        f"stage.py: error: argument --part: expected a whole number of at least 0, got {text!r}"
    )
