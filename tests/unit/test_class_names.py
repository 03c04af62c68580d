"""Names of classes are shown as they are, whatever a figure, a table or a page makes of their letters."""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib import pyplot as plt

from mct.base.errors import UserError
from mct.results import figures
from mct.results.figures import Quality
from mct.results.noise_table import noise_rows
from mct.results.plotting import save_figure
from mct.results.tables import write_table

NAMES = [
    "$\\frac{$", "a$b$c", "_hidden", "{x}", "p|q", "\\|", "50%", "<b>x</b>", "R&amp;D", "*bold*",
    "`code`", "[a](b)", '"quoted', "#1", "~~gone~~",
]  # fmt: skip


def shown(texts) -> list[str]:
    return [text.get_text() for text in texts]


def draw(figure) -> None:
    """Draw a figure; a name that is read as a formula, and is none, raises."""
    figure.savefig(io.BytesIO(), format="svg")
    plt.close(figure)


def test_a_confusion_names_its_classes():
    figure = figures.draw_confusions({"one": np.eye(len(NAMES), dtype=np.int64)}, NAMES)
    draw(figure)
    for ticks in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
        assert shown(ticks) == NAMES
        assert not any(tick.get_parse_math() for tick in ticks)


def test_a_selection_names_all_classes_in_its_legend():
    share = np.full((2, 2, len(NAMES)), 0.5)
    figure = figures.draw_selection([Quality(purity=share, recall=share, share=share)], NAMES)
    draw(figure)
    texts = figure.legends[0].get_texts()
    assert shown(texts) == [*NAMES, "mean of classes"]
    assert not any(text.get_parse_math() for text in texts)


def test_a_census_names_its_classes():
    edges = 2.0 ** np.arange(3, 6)
    part = {"classes": [1] * len(NAMES), "short_sides": [1, 1]}
    figure = figures.draw_pictures({"noisy": part}, NAMES, edges)
    draw(figure)
    assert shown(figure.axes[0].get_xticklabels()) == NAMES


def table_of_noise(folder):
    rates = [0.1] * len(NAMES)
    counted = {
        "method": "counted", "rate": 0.1, "lower": 0.0, "upper": 0.2, "samples": 15,
        "class_rates": rates, "class_lowers": rates, "class_uppers": rates,
        "class_samples": [1] * len(NAMES),
    }  # fmt: skip
    models = {"estimates": [], "truth": None, "unavailable": {}}
    write_table(noise_rows(counted, models, NAMES), folder / "noise.tsv", "Caption.")
    return folder / "noise.tsv"


def test_a_table_has_its_names_as_tsv(tmp_path):
    with table_of_noise(tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["observed_class"] for row in rows] == ["all", *NAMES]
    assert {row["samples"] for row in rows[1:]} == {"1"}


def test_a_table_has_its_names_as_markdown(tmp_path):
    """Cells end at bars without a backslash; marks without one are Markdown's, not the name's."""
    lines = table_of_noise(tmp_path).with_suffix(".md").read_text().splitlines()
    cells = [re.findall(r"((?:\\.|[^\\|])*)\|", line[1:]) for line in lines[: len(NAMES) + 3]]
    assert {len(row) for row in cells} == {len(cells[0])}
    names = [row[0].strip() for row in cells[3:]]
    assert [re.sub(r"\\(\W|_)", r"\1", name) for name in names] == NAMES
    for name in names:
        plain = re.sub(r"\\.", "", name)
        assert not re.search(r"[$*`<\[\\|]|~~|&\w+;|\b_|_\b", plain), name


@pytest.mark.parametrize("name", ["accuracy_top1", "5 % & more", "a ~ b", "x > y", "MCT (paper)"])
def test_markdown_leaves_plain_text_as_it_is(tmp_path, name):
    write_table([{"method": name}], tmp_path / "table.tsv", "Caption.")
    assert (tmp_path / "table.md").read_text().splitlines()[2] == f"| {name} |"


def test_svg_files_of_such_names_are_whole(tmp_path):
    figure = figures.draw_confusions({"one": np.eye(len(NAMES), dtype=np.int64)}, NAMES)
    save_figure(figure, tmp_path / "confusion.png")
    assert ElementTree.parse(tmp_path / "confusion.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", ["figure", "figure.svg", "figure.xyz"])
def test_a_figure_is_a_png_with_an_svg_beside_it(tmp_path, name):
    with pytest.raises(UserError, match=f"{name}: expected a name that ends in .png"):
        save_figure(plt.figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())
