"""Digests of code change with its meaning and with nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mct.data.layouts.registry import layout_module
from mct.stage.closure import (
    DEFINITIONS,
    LEFT_OUT,
    LIBRARY,
    code_digest,
    import_closure,
    imported_files,
    is_left_out,
    module_files,
    normalised,
)

SCRIPTS = LIBRARY.parent
SOURCE = '''"""What this does."""

from typing import TYPE_CHECKING

from mct.base import partition

if TYPE_CHECKING:
    from mct.learning import models

LIMIT = 3
"""What the limit means."""


def cut(count):
    """Return half of it."""
    if count < 1:
        raise UserError(f"got {count}, expected 1 or more")
    # Rounded down.
    return count // 2
'''


def digest(tmp_path: Path, source: str, name: str = "stage.py") -> str:
    """Return the digest of a script; each lies in a folder of its own, for digests are cached."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    (folder / name).write_text(source)
    return code_digest(folder / name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Rounded down.", "# Rounded."),
        ("    # Rounded down.\n", ""),
        ('"""Return half of it."""', '"""Halve."""'),
        ('"""What this does."""', '"""Other words."""'),
        ('"""What the limit means."""', '"""Other words."""'),
        ("count // 2", "(count //   2)"),
        ("LIMIT = 3\n", "LIMIT = 3\n\n\n"),
        ("expected 1 or more", "give at least 1"),
        ('f"got {count}, expected 1 or more"', '"give 1 or more"'),
        ("from mct.learning import models", "from mct.learning import norms"),
    ],
)
def test_comments_docstrings_and_layout_keep_the_digest(tmp_path, old, new):
    assert old in SOURCE
    assert digest(tmp_path, SOURCE.replace(old, new)) == digest(tmp_path, SOURCE)


def test_a_lost_docstring_keeps_the_digest_of_a_function_that_has_code(tmp_path):
    assert digest(tmp_path, SOURCE.replace('    """Return half of it."""\n', "")) == digest(
        tmp_path, SOURCE
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("count // 2", "count // 3"),
        ("def cut", "def halve"),
        ("LIMIT = 3", "LIMIT = '3'"),
        ("raise UserError", "raise BrokenPictureError"),
        ("if count < 1", "if count < 2"),
        ("from mct.base import partition", "from mct.learning import norms"),
        ("return count // 2", "'no docstring'\n    return count // 2 + 0"),
    ],
)
def test_a_change_of_code_changes_the_digest(tmp_path, old, new):
    assert old in SOURCE
    assert digest(tmp_path, SOURCE.replace(old, new)) != digest(tmp_path, SOURCE)


def test_a_change_of_an_imported_module_changes_the_digest(tmp_path, monkeypatch):
    """The library is a copy of two modules, of which one imports the other."""
    digests = []
    for number, body in enumerate(("return 1", "# one\n    return 1", "return 2")):
        library = tmp_path / str(number) / "mct"
        library.mkdir(parents=True)
        (library / "__init__.py").write_text("")
        (library / "first.py").write_text("from mct.second import one\n")
        (library / "second.py").write_text(f"def one():\n    {body}\n")
        (library.parent / "stage.py").write_text("import mct.first\n")
        monkeypatch.setattr("mct.stage.closure.LIBRARY", library)
        digests.append(code_digest(library.parent / "stage.py"))
    assert digests[0] == digests[1] != digests[2]


def test_normalised_code_has_no_positions(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "b.py").write_text("\n\nx   =   1  # one\n")
    assert normalised(tmp_path / "a.py") == normalised(tmp_path / "b.py")


def test_a_dotted_name_brings_the_packages_above_it():
    base = module_files("mct.data.layouts.base")
    assert base == [
        LIBRARY / name
        for name in (
            "__init__.py",
            "data/__init__.py",
            "data/layouts/__init__.py",
            "data/layouts/base.py",
        )
    ]
    assert module_files("mct.partition.block") == [LIBRARY / "__init__.py"]
    assert module_files("numpy.random") == []


def test_the_catalogue_does_not_depend_on_training():
    names = {path.stem for path in import_closure(SCRIPTS / "build_catalogue.py")}
    assert {"build_catalogue", "catalogue", "layouts", "digits", "clothing1m", "noise"} & names
    assert not names & {"training", "coupling", "learner", "comm", "models", "losses", "tables"}


def test_training_depends_on_what_it_computes_with():
    names = {path.stem for path in import_closure(SCRIPTS / "train_model.py")}
    assert {
        "training",
        "gradients",
        "optimizer",
        "losses",
        "images",
        "partition",
        "shards",
    } <= names
    assert not names & {"tables", "figures", "coupling"}


def loaded_by(modules: str) -> dict[str, str]:
    """Return the files of all modules that an import loads in a fresh process, by name."""
    program = f"""
import json, sys, {modules}
print(json.dumps({{n: m.__file__ for n, m in sys.modules.items() if getattr(m, "__file__", None)}}))
"""
    job = subprocess.run(
        [sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    return json.loads(job.stdout)


@pytest.mark.parametrize("script", ["build_catalogue", "tabulate_accuracy"])
def test_closure_holds_every_library_file_that_a_script_loads_but_those_that_are_left_out(script):
    files = {Path(file) for name, file in loaded_by(script).items() if name.split(".")[0] == "mct"}
    assert files
    left_out, covered = (
        {file for file in files if is_left_out(file)},
        import_closure(SCRIPTS / f"{script}.py"),
    )
    assert left_out.isdisjoint(covered)
    assert files - covered - left_out <= {
        file for path in left_out for file in imported_files(path)
    }


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_no_definition_of_a_key_is_in_a_closure(script):
    """So that another text, bound or key of other stages reruns nothing: rules pass each key's value."""
    names = {path.name for path in import_closure(script)}
    assert names.isdisjoint({DEFINITIONS, "keys.py"})


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_computes_nothing(name):
    """It reads and writes no arrays, and imports no other module that computes."""
    source = (LIBRARY / name).read_text()
    assert not re.search(r"^\s*(from|import) (h5py|scipy|mpi4py|safetensors|torch)", source, re.M)
    packages = {path.relative_to(LIBRARY).parts[0] for path in imported_files(LIBRARY / name)}
    assert packages - {"__init__.py"} <= {"base", "stage", Path(name).parts[0]}


def test_a_layout_is_covered_by_the_digests_of_stages_that_open_it_and_by_no_other():
    opened = {
        name: import_closure(SCRIPTS / "build_catalogue.py", layout_module(name))
        for name in ("clothing1m", "animal10n")
    }
    files = {name: LIBRARY / f"data/layouts/{name}.py" for name in opened}
    assert {
        name: {other for other in files if files[other] in opened[name]} for name in opened
    } == {"clothing1m": {"clothing1m"}, "animal10n": {"animal10n"}}


def test_planning_a_workflow_loads_neither_torch_nor_mpi():
    modules = "mct.cluster.planning, mct.cluster.accounting"
    assert not {"torch", "mpi4py", "sklearn"} & loaded_by(modules).keys()
