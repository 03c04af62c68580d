"""A broken file of a configuration is named with its line."""

import re

import pytest

from mct.base.errors import UserError
from mct.base.yaml_files import OPTIONS, check_configfiles, check_keys, given_words, read_yaml
from mct.stage.entry import read_keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images:\n  size: 32\n   mean: 3\n", "line 3, column 8: this is not YAML: mapping values"),
        ("seeds: [0\nranks: [2]\n", "line 2, column 6: .* (while parsing a flow sequence in line 1)"),
        ("images:\n\tsize: 32\n", "line 2, column 1: .* character '\\t' that cannot start"),
        ("a: 1\nb: *none\n", "line 2, column 4: .*found undefined alias"),
        ("images: {size: 32}\nseeds: [0]\nimages: {std: 1}\n",
         "line 3: key `images` is given twice, first in line 1"),
        ("images:\n  size: 8\n  size: 32\n", "line 3: key `size` is given twice, first in line 2"),
        ("- a\n", "expected keys with values, got a list"),
        ("[1]", "expected keys with values, got a list"),
        ("5", "expected keys with values, got a single value"),
        ('{"a": {"b": 1,\n\t"b":2}}', "line 2: key `b` is given twice, first in line 1"),
        ("just text\n", "expected keys with values, got a single value"),
        ("", "expected keys with values, got an empty file"),
        ("a: 1\nb: \xe4\n", "line 2: expected UTF-8, got another encoding"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(text, "latin-1")
    pattern = re.escape(expected).replace(r"\.\*", ".*")
    with pytest.raises(UserError, match=f"mine.yaml: {pattern}") as raised:
        check_keys(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "seeds: [0]\r\nranks: [2]\r\n",
        "\ufeffseeds: [0]\n",
        '{"seeds": [0],\n"ranks": [2]}',
        '{\n\t"seeds":[0],\t"ranks":[2],\n\t"results": "a\\tb\\/c \\ud83d\\ude00"\n}\n',
        "a: &x [1]\nb: *x\n",
    ],
)
def test_what_snakemake_reads_passes(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode())
    check_keys(path)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "a:\n  - b\n c"])
def test_stages_name_the_line_of_a_damaged_configuration(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    for read in (read_yaml, read_keys):
        with pytest.raises(
            UserError, match=r"config\.yaml: line \d, column \d: this is not YAML: \w"
        ):
            read(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("-n --cores 2", []),
        ("all --configfile a.yaml b.yaml --config x=1 y=2", ["a.yaml", "b.yaml"]),
        ("--configfiles a.yaml -n b", ["a.yaml"]),
        ("--configfile=a.yaml b", ["a.yaml"]),
    ],
)
def test_configuration_files_are_found_among_arguments(arguments, expected):
    assert given_words(arguments.split(), OPTIONS) == expected


def test_a_target_after_the_configuration_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("seeds: [0]\n")
    check_configfiles(["suspects", "--configfile", "mine.yaml"])
    with pytest.raises(UserError, match="no such file: suspects; targets come before --configfile"):
        check_configfiles(["--configfile", "mine.yaml", "suspects"])


@pytest.mark.parametrize("word", ["shards.count=3", "calibration.sharpening=1", "suspects", "=1"])
@pytest.mark.parametrize("option", ["--config", "-C"])
def test_a_word_that_is_no_key_with_a_value_is_explained(option, word):
    """Snakemake itself ends in a traceback."""
    check_configfiles(["all", option, "seeds=[0]", "shards={count: 3}", "-n", word])
    with pytest.raises(UserError, match=r"--config: expected KEY=VALUE, got .*'SECTION=") as raised:
        check_configfiles(["-n", option, "seeds=[0]", word])
    assert repr(word) in str(raised.value)
