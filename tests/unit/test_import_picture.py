"""The picture of imports: what it counts, and what it says where there is no library."""

import importlib
from pathlib import Path

import pytest

from mct.base.errors import UserError

TOOLS = Path(__file__).parents[2] / "workflow/tools"


@pytest.fixture
def draw_imports(monkeypatch):
    """Return the tool as a module."""
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("draw_imports")


@pytest.fixture
def library(tmp_path) -> Path:
    """Return a library of two rooms, of which the lower also imports the upper."""
    files = {
        "__init__.py": '"""From the ground up: `low`, `high`."""',
        "low/__init__.py": "",
        "low/a.py": "import lib.high.d",
        "low/b.py": "from lib.low.a import x",
        "high/__init__.py": "",
        "high/c.py": "from lib.low.a import x, y\ndef f():\n    from lib.low import b",
        "high/d.py": "from lib.low.a import x\nimport math",
    }
    for name, text in files.items():
        (tmp_path / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lib" / name).write_text(text)
    return tmp_path / "lib"


def test_modules_that_import_modules_of_another_room_are_counted(draw_imports, library):
    rooms = draw_imports.read_rooms(library)
    assert rooms == {"low": ["a", "b"], "high": ["c", "d"]}
    counts = draw_imports.count_imports(library, list(rooms))
    assert counts == {("high", "low"): 3, ("low", "high"): 1}
    against = [pair for pair in counts if draw_imports.is_against(pair, list(rooms))]
    assert against == [("low", "high")]


def test_equal_libraries_give_equal_pictures(draw_imports, library, tmp_path):
    pictures = []
    for name in ("one.svg", "two.svg"):
        rooms = draw_imports.read_rooms(library)
        draw_imports.draw(rooms, draw_imports.count_imports(library, list(rooms)), tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]


def test_a_room_that_the_docstring_does_not_name_is_refused(draw_imports, library):
    (library / "attic").mkdir()
    (library / "attic/e.py").touch()
    with pytest.raises(UserError, match="does not name attic"):
        draw_imports.read_rooms(library)
