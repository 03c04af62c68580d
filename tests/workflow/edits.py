"""Edits of a copy of the project, for tests of what they rerun."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

LIBRARY = "workflow/scripts/mct"
NEW_METHOD = 'BASELINES = by_name(Baseline(name="new", title="New", training_set="noisy"),'


class Edit(NamedTuple):
    """A change of the text of one file, named by its path in the project."""

    file: str
    change: Callable[[str], str]

    @contextmanager
    def applied(self, project: Path) -> Iterator[None]:
        """Change the file for a while."""
        path = project / self.file
        text = path.read_text()
        changed = self.change(text)
        assert changed != text, f"{self.file} is not changed"
        path.write_text(changed)
        try:
            yield
        finally:
            path.write_text(text)


@contextmanager
def all_applied(edits: list[Edit], project: Path) -> Iterator[None]:
    """Apply several edits for a while, some of the same file."""
    with ExitStack() as stack:
        for edit in edits:
            stack.enter_context(edit.applied(project))
        yield


def code(file: str) -> Edit:
    """Add a statement to a module of the library."""
    return Edit(f"{LIBRARY}/{file}", lambda text: f"{text}\nEDITED = 1\n")


def replaced(file: str, old: str, new: str) -> Edit:
    """Replace the first occurrence of a text."""
    return Edit(file, lambda text: text.replace(old, new, 1))


def error(file: str) -> Edit:
    """Reword all errors of a module of the library."""
    wording = re.compile(r'(UserError\(\s*f?")')
    return Edit(f"{LIBRARY}/{file}", lambda text: wording.sub(r"\1reworded: ", text))


def docstring(file: str) -> Edit:
    """Reword all docstrings and comments of a module of the library."""
    wording = re.compile(r'("""(?=[A-Z])|# )')
    return Edit(f"{LIBRARY}/{file}", lambda text: wording.sub(r"\1Reworded: ", text))


SILENT = {
    "an error of what reads shards": error("data/shards.py"),
    "an error of a data set's lists": error("data/layouts/clothing1m.py"),
    "a checkpoint's text": error("stage/checkpoint.py"),
    "docstrings and comments": docstring("learning/learner.py"),
    "a progress line": replaced(
        f"{LIBRARY}/stage/progress.py", 'f"goes on after', 'f"resumes after'
    ),
    "the advice on full disks": replaced(f"{LIBRARY}/stage/entry.py", "make space", "free space"),
    "the line about a divergence": replaced(
        f"{LIBRARY}/learning/divergence.py", "diverged:", "failed:"
    ),
    "when a stalled process ends": code("stage/watch.py"),
    "what a record says": code("stage/record.py"),
    "what attempts came to": code("stage/attempts.py"),
    "another data set's reader": code("data/layouts/animal10n.py"),
    "the list of layouts": code("data/layouts/registry.py"),
    "the list of architectures": code("base/architectures.py"),
    "the planner": code("cluster/planning.py"),
    "what the configuration warns of": code("experiment/cautions.py"),
    "the launcher": replaced(
        "workflow/scripts/launch_ranks.py", "def main", "EDITED = 1\n\n\ndef main"
    ),
    "a tool": replaced("workflow/tools/show_labels.py", "def main", "EDITED = 1\n\n\ndef main"),
    "the command": code("command/status.py"),
    "the caption in the report": Edit(
        "workflow/report/accuracy.rst", lambda text: f"{text}\nMore.\n"
    ),
    "a new method": replaced(
        f"{LIBRARY}/experiment/baselines.py", "BASELINES = by_name(", NEW_METHOD
    ),
}
"""Edits that change no result."""
