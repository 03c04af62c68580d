"""The page to review suspects: what it holds, how large it gets, and what a browser makes of it."""

import base64
import html
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import pixel_set, write_labelled

from mct.base.errors import UserError
from mct.data.imagesets import open_set
from mct.data.reviews import read_reviews
from mct.experiment.experiment import SCRIPTS
from mct.labels.judging import Judgement
from mct.results.page import BYTES, SIDE, page_data, thumbnail, write_page

TEMPLATE = SCRIPTS.parent / "resources/suspects.html"
NAMES = ["cat", "dog", '</script><b>"cow", {data}']
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def embedded(page: Path) -> dict:
    """Return the data in a page."""
    [text] = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S
    )
    return json.loads(text)


def test_the_page_holds_the_first_suspects_in_their_order(tmp_path):
    stored = open_set("noisy", write_labelled(tmp_path, shards=2)).take(np.arange(4))
    stored = replace(stored, observed=np.array([0, 1, 0, 1]))
    found = Judgement(
        wrong=np.array([0.3, 0.7, 1, 0.6]), proposed=np.array([0, 2, 2, 0]), certainty=np.ones(4)
    )
    data = page_data(stored, found, np.array([2, 1, 3]), NAMES, shown=2)
    write_page(data, "made", TEMPLATE, tmp_path / "page.html")
    read = embedded(tmp_path / "page.html")
    assert (read["listed"], read["classes"], read["dataset"]) == (3, NAMES, "made")
    assert [suspect[:5] for suspect in read["suspects"]] == [
        ["key-2", 0, 2, 1, 1], ["key-1", 1, 2, 0.7, 1],
    ]  # fmt: skip
    picture = Image.open(io.BytesIO(base64.b64decode(read["suspects"][0][5])))
    assert (picture.format, picture.size) == ("JPEG", (8, 8))


def test_a_thumbnail_is_small_even_of_noise():
    noise = np.random.default_rng(0).integers(0, 256, (600, 400, 3), np.uint8)
    data = thumbnail(noise)
    assert len(data) <= BYTES
    assert Image.open(io.BytesIO(data)).size == (64, SIDE)
    assert 2000 * BYTES * 4 / 3 + 2000 * 300 < 15e6


def test_a_template_without_a_place_for_the_data_is_refused(tmp_path):
    (tmp_path / "template.html").write_text("<html></html>")
    with pytest.raises(UserError, match=r"template.html: expected \{data\} once"):
        write_page({}, "made", tmp_path / "template.html", tmp_path / "page.html")


KEYS = ["<i>&amp;.jpg", 'a "b", c.jpg', *(f"{number}.jpg" for number in range(198))]
DRIVER = """<script>
const out = {};
const press = (key) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true }));
const pick = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("change")); };
let blob;
URL.createObjectURL = (made) => { blob = made; return "#"; };
out.before = $("count").textContent;
out.drawn = document.querySelectorAll("article").length;
out.wide = document.documentElement.scrollWidth - innerWidth;
ACTIONS
$("download").click();
blob.text().then((text) => {
  out.review = text;
  document.body.append(Object.assign(element("pre", JSON.stringify(out)), { id: "out" }));
});
</script></body>"""


def write_suspects(folder: Path) -> Path:
    """Write a page of 200 suspects with odd keys and names."""
    count = len(KEYS)
    picture = base64.b64encode(thumbnail(pixel_set(1).read(0))).decode()
    suspects = [[KEYS[n], n % 2, 2 - n % 3 // 2, 0.9, 0.8, picture] for n in range(count)]
    data = {"classes": NAMES, "listed": count, "suspects": suspects}
    write_page(data, "made", TEMPLATE, folder / "page.html")
    return folder / "page.html"


def drive(page: Path, actions: str, width: int = 1280) -> dict:
    """Return what a page comes to in a browser after actions; the browser keeps its profile."""
    driven = page.with_name("driven.html")
    driven.write_text(page.read_text().replace("</body>", DRIVER.replace("ACTIONS", actions)))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    options += [f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=4000"]
    done = subprocess.run(
        [str(CHROMIUM), *options, "--dump-dom", driven.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    [text] = re.findall(r'<pre id="out">(.*?)</pre>', done.stdout, re.S)
    return json.loads(html.unescape(text))


in_browser = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


@in_browser
def test_keys_decide_and_the_download_is_a_review(tmp_path):
    page = write_suspects(tmp_path)
    actions = """
    press("a"); press("k");
    out.count = $("count").textContent;
    press("o"); $("search").value = "DO"; $("search").dispatchEvent(new Event("input"));
    out.found = [...$("found").options].map((option) => option.text);
    $("classes").querySelector("form").requestSubmit();
    press("ArrowRight"); press("a"); press("ArrowLeft"); press("u");
    """
    found = drive(page, actions)
    assert found["before"].startswith(
        "0 of 200 decided: 0 accepted, 0 kept, 0 other class; 200 shown"
    )
    assert 60 <= found["drawn"] < 200 and found["wide"] <= 0
    assert found["count"].startswith("2 of 200 decided: 1 accepted, 1 kept, 0 other class")
    assert found["found"] == ["dog"]
    (tmp_path / "review.csv").write_text(found["review"])
    lines = found["review"].splitlines()
    assert lines[0] == '"key","label","decision","observed","proposed"'
    assert lines[1].startswith('"<i>&amp;.jpg","</script><b>""cow"", {data}","accepted","cat",')
    decisions = read_reviews([tmp_path / "review.csv"], NAMES)
    assert {key: decision.label for key, decision in decisions.items()} == {
        KEYS[0]: 2, KEYS[1]: 1, KEYS[2]: 1,
    }  # fmt: skip


@in_browser
def test_decisions_are_remembered_and_filters_and_orders_choose_what_is_shown(tmp_path):
    page = write_suspects(tmp_path)
    keys = '[...document.querySelectorAll(".key")].map((cell) => cell.textContent)'
    drive(page, 'press("a"); press("a");')
    found = drive(
        page,
        f"""
        out.pairs = [...$("pair").options].map((option) => option.text);
        pick("state", "open"); out.open = {keys};
        pick("state", "done"); out.done = {keys};
        pick("state", ""); pick("pair", "1 2"); out.pair = {keys};
        pick("pair", ""); pick("sort", "observed"); out.sorted = {keys};
        """,
        width=390,
    )
    assert found["before"].startswith("2 of 200 decided: 2 accepted")
    assert found["wide"] <= 0
    assert found["done"] == KEYS[:2] and not set(KEYS[:2]) & set(found["open"])
    assert found["pairs"][0] == "all confusions"
    assert sorted(found["pairs"][1:])[0] == f"{NAMES[2]} given as cat (67)"
    assert found["pair"][:2] == [KEYS[1], KEYS[3]]
    assert found["sorted"][:2] == [KEYS[0], KEYS[2]]
