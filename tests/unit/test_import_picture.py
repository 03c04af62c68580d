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
    assert rooms == ["low", "high"]
    assert draw_imports.count_imports(library, rooms) == {("high", "low"): 3, ("low", "high"): 1}


def test_an_import_against_the_order_is_counted_in_the_title(draw_imports, library, tmp_path):
    rooms = draw_imports.read_rooms(library)
    with draw_imports.plt.rc_context({"svg.fonttype": "none"}):
        draw_imports.draw(
            rooms, draw_imports.count_imports(library, rooms), tmp_path / "imports.svg"
        )
    title = "4 imports between 2 pairs of rooms, 1 against the order"
    assert title in (tmp_path / "imports.svg").read_text()


def test_equal_libraries_give_equal_pictures(draw_imports, library, tmp_path):
    pictures = []
    for name in ("one.svg", "two.svg"):
        rooms = draw_imports.read_rooms(library)
        draw_imports.draw(rooms, draw_imports.count_imports(library, rooms), tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]


def test_a_room_that_the_docstring_does_not_name_is_refused(draw_imports, library):
    (library / "attic").mkdir()
    (library / "attic/e.py").touch()
    with pytest.raises(UserError, match="does not name attic"):
        draw_imports.read_rooms(library)
