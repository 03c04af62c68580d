"""Imports between the library's packages point one way; files and functions stay short."""

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from mct.stage.closure import LIBRARY

ORDER = (
    "base", "labels", "data", "parallel", "stage", "learning", "calibration", "results",
    "performance", "experiment", "cluster", "command",
)  # fmt: skip
"""The packages from the ground up."""


def described(path: Path) -> list[str]:
    """Return the packages that a package's or the library's docstring names, in its order."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return re.findall(r"`(\w+)`", docstring)


def imported_packages(path: Path) -> set[str]:
    """Return the library's packages that the import statements of a module name."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("mct.")}


def test_every_module_is_in_a_package_of_the_order():
    assert {path.parent.name for path in LIBRARY.glob("*/*.py")} == set(ORDER)
    assert [path.name for path in LIBRARY.glob("*.py")] == ["__init__.py"]
    assert tuple(described(LIBRARY / "__init__.py")) == ORDER


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_those_below_it_that_its_docstring_names(package):
    folder = LIBRARY / package
    imported = set().union(*map(imported_packages, folder.rglob("*.py"))) - {package}
    below = ORDER[: ORDER.index(package)]
    assert imported <= set(below)
    assert described(folder / "__init__.py") == [name for name in below if name in imported]


def test_only_the_messages_between_ranks_import_mpi():
    importers = {
        path.name
        for path in LIBRARY.rglob("*.py")
        if re.search(r"^\s*(from|import) mpi4py", path.read_text(), re.M)
    }
    assert importers == {"comm.py", "shared_batches.py"}


PROJECT = LIBRARY.parents[2]
SCRIPTS = PROJECT / "workflow/scripts"
PRESCRIBED = {"GlobalNorm.forward"}
"""Signatures that torch prescribes for autograd functions."""


class Function(NamedTuple):
    """A function of the library, a script or a tool."""

    file: str
    name: str
    """With the name of its class, if it has one."""
    lines: int
    parameters: int
    """Without self and cls."""


def functions_of(path: Path) -> Iterator[Function]:
    """Yield the functions of a file, nested ones included."""
    tree = ast.parse(path.read_text())
    owners = {
        node: owner.name
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            arguments = [
                *given.posonlyargs,
                *given.args,
                given.vararg,
                *given.kwonlyargs,
                given.kwarg,
            ]
            names = {argument.arg for argument in arguments if argument} - {"self", "cls"}
            name = f"{owners[node]}.{node.name}" if node in owners else node.name
            length = (node.end_lineno or 0) - node.lineno + 1
            yield Function(path.name, name, length, len(names))


FUNCTIONS = [
    function
    for folder in (SCRIPTS, PROJECT / "workflow/tools")
    for path in sorted(folder.rglob("*.py"))
    for function in functions_of(path)
]


def test_no_hand_written_file_is_longer_than_350_lines():
    paths = [PROJECT / "Snakefile"]
    for folder, ending in product(("workflow", "tests", "benchmarks"), ("py", "smk")):
        paths += (PROJECT / folder).rglob(f"*.{ending}")
    assert [path for path in paths if len(path.read_text().splitlines()) > 350] == []


def test_no_function_has_more_than_seven_parameters():
    many = {function.name for function in FUNCTIONS if function.parameters > 7}
    assert many <= PRESCRIBED


def test_no_function_is_longer_than_60_lines():
    assert [function for function in FUNCTIONS if function.lines > 60] == []


def test_half_of_the_functions_have_fewer_than_ten_lines():
    assert median(function.lines for function in FUNCTIONS) < 10


def test_an_entry_points_main_has_at_most_25_lines():
    scripts = {path.name for path in SCRIPTS.glob("*.py")}
    mains = [it for it in FUNCTIONS if it.name == "main" and it.file in scripts]
    assert [main for main in mains if main.lines > 25] == []
