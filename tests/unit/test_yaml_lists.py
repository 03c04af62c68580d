"""A list in somebody's YAML grows by an item, and nothing else of the text changes."""

import difflib

import pytest
import yaml

from mct.base.errors import UserError
from mct.command.yaml_lists import with_item

KEYS = ("dataset", "reviews")
FORMS = {
    "empty": "",
    "comments alone": "# nothing yet\n",
    "no section": "experiment: a  # mine\n",
    "no section, no line end": "experiment: a",
    "section": "dataset:  # here\n  name: a  # a\n  noise_rate: 0.4  # P\n\n# next\nseeds: [0]\n",
    "section at the end": "seeds: [0]\ndataset:\n    name: a\n    # the last",
    "nested last key": "dataset:\n  name: a\n  synthetic_noise:\n    kind: symmetric\nseeds: [0]\n",
    "text block": "dataset:\n  name: a\n  root: |\n    b\nseeds: [0]\n",
    "flow": "dataset: {name: a, root: b}  # short\n",
    "empty flow": "dataset: {}\n",
    "flow list": "dataset:\n  reviews: [one.csv, 'two.csv']  # reviewed\n  name: a\n",
    "empty list": "dataset:\n  reviews: []\n",
    "list over lines": "dataset:\n  reviews: [\n    one.csv,  # first\n    two.csv\n  ]\n",
    "block list": "dataset:\n  reviews:\n  - one.csv  # Ann\n  - two.csv  # Bob\n  name: a\n",
    "Windows": "dataset:\r\n  name: a\r\nseeds: [0]\r\n",
    "JSON": '{"experiment": "a", "dataset": {"name": "b"}}\n',
    "not ASCII": "# Prüfung\ndataset:\n  name: a  # größte\n",
}


@pytest.mark.parametrize("item", ["review.csv", "/data/mine/ä b: #1.csv", "null"])
@pytest.mark.parametrize("form", FORMS)
def test_an_item_is_added_and_every_other_line_stays(form, item):
    text = FORMS[form]
    changed = with_item(text, KEYS, item, "mine.yaml")
    before, after = (yaml.safe_load(each) or {} for each in (text, changed))
    had = before.get("dataset", {}).get("reviews", [])
    assert after == {**before, "dataset": {**before.get("dataset", {}), "reviews": [*had, item]}}
    lines = difflib.ndiff(text.splitlines(), changed.splitlines())
    assert sum(line.startswith("- ") for line in lines) <= 1
    for comment in ("# P", "# reviewed", "# Ann", "# Bob", "# first", "# next"):
        assert (comment in changed) == (comment in text)
    assert with_item(changed, KEYS, "another.csv", "mine.yaml").count(item) == changed.count(item)


@pytest.mark.parametrize(
    "text",
    ["dataset: &d {name: a}\nother: *d\n", "dataset: a\n", "dataset: {reviews: one.csv}\n"],
)
def test_a_text_that_cannot_be_changed_alone_is_left_to_its_owner(text):
    with pytest.raises(UserError, match=r"mine.yaml: add review.csv to `dataset.reviews` by hand"):
        with_item(text, KEYS, "review.csv", "mine.yaml")
