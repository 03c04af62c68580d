"""Digests of code: what a stage's program means, apart from texts that change no result.

A stage's digest covers its entry point and every module of this library that it imports, directly
or not, so that a change of code reruns exactly the stages whose results it can change. Left
out are docstrings and comments, the texts of errors, the modules of LEFT_OUT, and definitions of keys:
a rule passes the value of each key that its stage uses.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
DEFINITIONS = "settings.py"
"""Modules of this name define keys: what they are called, what they admit, what they are for."""
LEFT_OUT = {
    "base/architectures.py": "finds a net by name; settings have the digest of one that they use",
    "base/errors.py": "names the kinds of errors",
    "base/functions.py": "opens functions by name, and words what is wrong with one",
    "base/keys.py": "has the words that keys are defined with",
    "data/layouts/registry.py": "finds a layout by name; a digest covers the layout that is used",
    "data/verdict.py": "says whether lists changed since they were checked",
    "learning/divergence.py": "words the line about a training that diverged",
    "stage/attempts.py": "notes how earlier attempts of a job ended",
    "stage/closure.py": "makes the digests, which show a change of it themselves",
    "stage/entry.py": "reads the options of a rule's command, and ends a program with a line",
    "stage/limits.py": "raises or checks the system's limits before work starts",
    "stage/progress.py": "tells a person how far a training is, and how long it took",
    "stage/record.py": "notes next to a result what made it",
    "stage/step_times.py": "measures how long steps take, for the record",
    "stage/watch.py": "ends a process that would wait for ever, and locks a stage",
}
"""Modules that stages import and no result depends on, by path in the library, and why."""
TEXT_ERRORS = ("UserError", "StageInterruptedError")
"""Errors that consist of a text for a person."""


@cache
def code_digest(script: Path, *opened: str) -> str:
    """Return the SHA-256 of the meaning of a script, its imports, and modules `opened` by name."""
    digest = hashlib.sha256()
    for path in sorted(import_closure(script, *opened)):
        digest.update(path.name.encode() + normalised(path).encode())
    return digest.hexdigest()


def import_closure(script: Path, *opened: str) -> set[Path]:
    """Return the script and the files of the library that can change its results."""
    found: set[Path] = set()
    pending = [script, *(file for name in opened for file in module_files(name))]
    while pending:
        path = pending.pop()
        if path not in found and not is_left_out(path):
            found.add(path)
            pending += imported_files(path)
    return found


def is_left_out(path: Path) -> bool:
    """Return whether a file is a module of the library that no result depends on by its code."""
    name = path.relative_to(LIBRARY).as_posix() if path.is_relative_to(LIBRARY) else ""
    return name in LEFT_OUT or Path(name).name == DEFINITIONS


@cache
def imported_files(path: Path) -> tuple[Path, ...]:
    """Return the library files that the import statements of one file name."""
    return tuple(file for name in _parsed(path.read_bytes())[0] for file in module_files(name))


def normalised(path: Path) -> str:
    """Return a file's program without docstrings and comments, in one form for all Pythons."""
    return _parsed(path.read_bytes())[1]


@cache
def _parsed(source: bytes) -> tuple[list[str], str]:
    """Return what a program imports and what it means; its tree is parsed once and not kept."""
    tree = WithoutTexts().visit(ast.parse(source))
    return sorted(imported_names(tree)), ast.unparse(tree)


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
    """Drops docstrings, also those of constants, texts of errors and imports for type checkers."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Return a statement unless it is a string."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Return a call; that of an error without its text."""
        if isinstance(node.func, ast.Name) and node.func.id in TEXT_ERRORS:
            return ast.Call(node.func, [], [])
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Return a condition unless it is `if TYPE_CHECKING:`, which never holds in a run."""
        is_typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if is_typing else self.generic_visit(node)
