"""Digests of code: what a stage's program means, apart from comments, docstrings and layout.

A stage's digest covers its entry point and every module of this library that it imports, directly
or not, so that a change of code reruns exactly the stages that it can touch. Definitions of keys are
left out: what a stage computes depends on the values of its keys, and those are parameters of its rule.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
DEFINITIONS = ("settings.py", "keys.py")
"""Modules that define keys: what they are called, what they admit, what they are for."""


@cache
def code_digest(script: Path) -> str:
    """Return the SHA-256 of the meaning of a script and of all library modules it imports."""
    digest = hashlib.sha256()
    for path in sorted(import_closure(script)):
        digest.update(path.name.encode() + normalised(path).encode())
    return digest.hexdigest()


def import_closure(script: Path) -> set[Path]:
    """Return the script and the files of the library that can change its results."""
    found: set[Path] = set()
    pending = [script]
    while pending:
        path = pending.pop()
        if path not in found and not is_left_out(path):
            found.add(path)
            pending += imported_files(path)
    return found


def is_left_out(path: Path) -> bool:
    """Return whether a file defines keys: a rule passes the value of each key that its stage uses."""
    return path.name in DEFINITIONS and path.is_relative_to(LIBRARY)


def imported_files(path: Path) -> tuple[Path, ...]:
    """Return the library files that the import statements of one file name."""
    return _read(path)[0]


def normalised(path: Path) -> str:
    """Return a file's program without docstrings and comments, in one form for all Pythons."""
    return _read(path)[1]


@cache
def _read(path: Path) -> tuple[tuple[Path, ...], str]:
    """Return what a file imports and its program; its tree is parsed once and not kept."""
    tree = WithoutTexts().visit(ast.parse(path.read_bytes()))
    files = [file for name in sorted(imported_names(tree)) for file in module_files(name)]
    return tuple(files), ast.unparse(tree)


def imported_names(tree: ast.AST) -> set[str]:
    """Return the names of modules, and of what may be modules, that a program imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def module_files(name: str) -> list[Path]:
    """Return the file of a dotted name in the library and those of the packages above it."""
    package, *parts = name.split(".")
    if package != LIBRARY.name:
        return []
    files = [LIBRARY.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    files.append(LIBRARY.joinpath(*parts).with_suffix(".py"))
    return [file for file in files if file.is_file()]


class WithoutTexts(ast.NodeTransformer):
    """Drops statements that are only a string: docstrings, also those of constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Return a statement unless it is a string."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node
