"""Imports between the library's packages point one way."""

import ast
import re
from pathlib import Path

import pytest

from mct.stage.closure import LIBRARY

ORDER = (
    "base", "labels", "data", "parallel", "stage", "learning", "calibration", "results",
    "performance", "experiment", "cluster",
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
    assert importers == {"comm.py", "collectives.py", "shared_batches.py"}
