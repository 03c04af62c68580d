"""The model card: what a person has to know of a handed-over model, as Markdown.

It states what `export.json` holds and nothing else, and says of each figure whether it was measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mct.base.architectures import ARCHITECTURES
from mct.learning.hubs import SHIFTED, find_net
from mct.learning.models import CIFAR_BLOCKS
from mct.results.exported_model import LARGEST_DIFFERENCE, ONNX_FILE, WEIGHTS
from mct.results.tables import MARKDOWN_MARKS

Facts = Mapping[str, Any]
Cells = tuple[str, ...]
ON_TEST = "measured on the test split"
OURS = ("small_cnn", *CIFAR_BLOCKS)
TORCH_IMPORTS = ("import torch", "from safetensors.torch import load_file")
NAMED_CLASSES = 100
"""The most classes that are named."""
KNOWN_BY = {
    "given": "given in the configuration, not measured",
    "counted": "measured: counted on {samples} verified labels, 95 % interval {lower} to {upper}",
}
"""How a noise rate is known, by the method of its file."""


def write_card(facts: Facts) -> str:
    """Return the card of a model."""
    sections = [
        _head(facts),
        _figures(facts),
        _data(facts["data"]),
        _training(facts),
        _limits(facts),
        _files(facts["onnx"]),
        _use(facts),
    ]
    return "\n\n".join(sections) + "\n"


def _head(facts: Facts) -> str:
    model, data = facts["model"], facts["data"]
    size, net = f"{model['size']} x {model['size']}", f"`{model['architecture']}`"
    return (
        f"# {plain(data['name'])}: {plain(facts['training']['title'])}\n\n"
        f"A classifier of pictures: {net}, {model['parameters']:,} parameters, {len(data['classes'])} "
        f"classes, {size} pixels. It was trained by the method {plain(facts['training']['title'])} in "
        f"experiment {plain(facts['experiment'])}. `export.json` has all of this page for programs."
    )


def _figures(facts: Facts) -> str:
    rows = [*_accuracies(facts), *_honesty(facts["probabilities"]), _difference(facts["onnx"])]
    return "## Figures\n\n" + table(("figure", "value", "how it is known"), rows)


def _accuracies(facts: Facts) -> list[Cells]:
    own, seeds = facts["accuracy"], facts["seeds"]
    interval = f"95 % interval {percent(own['lower'])} to {percent(own['upper'])} (Wilson)"
    spread = "one seed, no spread" if seeds["sd"] is None else f"± {percent(seeds['sd'])}"
    named = " ".join(map(str, seeds["seeds"]))
    return [
        (
            "accuracy of this model",
            f"{percent(own['top1'])}, {interval}",
            f"measured on {own['pictures']} test pictures, in float32",
        ),
        (
            "accuracy of the method, mean and standard deviation over seeds",
            f"{percent(seeds['mean'])}, {spread}",
            f"measured on the same pictures in the workflow's arithmetic; seeds: {named}",
        ),
    ]


def _honesty(found: Facts) -> list[Cells]:
    note = f"; {found['note']}" if found["note"] else ""
    known = f"measured: least loss on {found['fitted_pictures']} validation pictures"
    titles = {
        "error": f"expected calibration error, {found['bins']} bins",
        "loss": "mean negative log likelihood, nats",
    }
    return [
        ("temperature", f"{found['temperature']:.3f}{note}", known),
        *(
            (f"{title}, {when} the temperature", _number(found[f"{kind}_{when}"], kind), ON_TEST)
            for kind, title in titles.items()
            for when in ("before", "after")
        ),
    ]


def _number(value: float, kind: str) -> str:
    return percent(value) if kind == "error" else f"{value:.4f}"


def _difference(onnx: Facts) -> Cells:
    title = "largest difference of a probability between ONNX Runtime and torch"
    if "largest_difference" not in onnx:
        reason = onnx.get("left_out", onnx.get("not_compared"))
        return title, "", f"not measured: {plain(reason)}"
    known = f"measured on {onnx['compared']} test pictures; {LARGEST_DIFFERENCE:g} would be refused"
    return title, f"{onnx['largest_difference']:.1e}", known


def _data(data: Facts) -> str:
    noise, classes = data["noise"], data["classes"]
    lower, upper = percent(noise["lower"]), percent(noise["upper"])
    known = KNOWN_BY[noise["method"]].format(samples=noise["samples"], lower=lower, upper=upper)
    named = ", ".join(map(plain, classes[:NAMED_CLASSES]))
    more = f", and {len(classes) - NAMED_CLASSES} more" if len(classes) > NAMED_CLASSES else ""
    rows = [(name, f"{size:,}") for name, size in data["sizes"].items()]
    return (
        f"## Data\n\n{table(('set', 'pictures'), rows)}\n\n"
        f"Wrong labels in the noisy set: {percent(noise['rate'])} ({known}). Clean set: "
        f"{plain(data['clean_set'])}.\n\nClasses, in the order of the outputs: {named}{more}."
    )


def _training(facts: Facts) -> str:
    training, model = facts["training"], facts["model"]
    start = training["initial_weights"]
    rows = [
        (plain(each["title"]), each["epochs"], f"{each['samples_seen']:,}")
        for each in training["trainings"]
    ]
    return (
        f"## Training\n\nMethod {plain(training['title'])} (`{training['method']}`), net "
        f"`{model['architecture']}`, seed {training['seed']}, {training['ranks']} ranks; started from "
        f"{f'the weights `{start}`' if start else 'random weights'}. It went through\n\n"
        f"{table(('training', 'epochs', 'samples seen'), rows)}"
    )


def _limits(facts: Facts) -> str:
    accuracy, classes = facts["accuracy"], facts["data"]["classes"]
    recalls = zip(accuracy["per_class"], classes, strict=True)
    share, name = min(each for each in recalls if each[0] is not None)
    return (
        "## What it is not for\n\n"
        "- Pictures unlike those of the test split: another source, camera or crop. The figures above "
        "hold for that split alone, whose labels are taken as right.\n"
        f"- Pictures of none of the {len(classes)} classes. The probabilities of these add up to one for "
        "any picture, and a low one does not prove that a picture shows something else.\n"
        f"- Decisions that nobody checks. {percent(1 - accuracy['top1'])} of the test pictures are "
        f"classified wrongly; of class {plain(name)}, the worst, {percent(1 - share)} (both measured)."
    )


def _files(onnx: Facts) -> str:
    rows = [
        (f"`{WEIGHTS}`", "weights; classes, normalisation, sizes and temperature as its metadata"),
        ("`export.json`", "all figures and facts, SHA-256 of the other files, versions"),
    ]
    if reason := onnx.get("left_out"):
        rows.append((f"`{ONNX_FILE}`", f"left out: {plain(reason)}"))
    else:
        what = "the whole model: normalisation, net, temperature, softmax; the same metadata"
        rows.append((f"`{ONNX_FILE}`", what))
    return "## Files\n\n" + table(("file", "what it is"), rows)


def _use(facts: Facts) -> str:
    model, classes = facts["model"], facts["data"]["classes"]
    parts = [USE, code(VIEW.format(shape=_shape(model)))]
    if "left_out" not in facts["onnx"]:
        parts += [ONNX_FORM.format(size=model["size"]), code(RUN_ONNX)]
    built = building_of(model["architecture"], len(classes))
    alone = "" if built.prepared else " alone"
    return "\n\n".join([*parts, f"With torch{alone}:", code(built.write(RUN_TORCH))])


def _shape(model: Facts) -> str:
    """Return the expression for the width and height that a picture is resized to."""
    if model["resizes_all"]:
        return f"[{model['resize']} * side // min(picture.size) for side in picture.size]"
    size, short = model["size"], model["resize"]
    return (
        f"picture.size if picture.size == ({size}, {size}) else [\n"
        f"        max({short}, round(side * {short} / min(picture.size))) for side in picture.size\n    ]"
    )


class Building(NamedTuple):
    """How a net is built at random in Python: an import, lines after all imports, and the net itself."""

    imported: str
    prepared: str
    net: str

    def write(self, program: str) -> str:
        """Return a program, with its own imports, that has `{imports}`, `{prepared}` and `{net}`."""
        lines = [self.imported, *TORCH_IMPORTS]
        lines.sort(key=lambda line: (line.startswith("from"), line))
        return program.format(imports="\n".join(lines), prepared=self.prepared, net=self.net)


def building_of(architecture: str, classes: int) -> Building:
    """Return how a net is built: by its library alone, or by the workflow if the net is its own."""
    known = ARCHITECTURES.get(architecture)
    if architecture in OURS or (known and known.builder):
        made = f'build_architecture("{architecture}", {classes})'
        return Building("import sys", OWN_BUILDER, made)
    net = find_net(architecture)
    if net.library == "timm":
        made = f'timm.create_model("{net.name}", num_classes={classes})'
        return Building("import timm", "", made)
    without = ", aux_logits=False, init_weights=True" if net.name in SHIFTED else ""
    made = f'get_model("{net.name}", num_classes={classes}{without})'
    return Building("from torchvision.models import get_model", "", made)


USE = """## How to use it

In this folder. A picture becomes an array as in the evaluation: upright, RGB, its short side resized, its
centre cropped. (There transparent pictures are put on white first.)"""
ONNX_FORM = """With ONNX Runtime (`pip install onnxruntime`). Input `pictures` is float32 (n, 3, {size},
{size}) in 0 to 1, for any n; output `probabilities` is float32 (n, classes)."""
OWN_BUILDER = """
sys.path.insert(0, "CHECKOUT/workflow/scripts")  # CHECKOUT: where the workflow is
from mct.learning.models import build_architecture
"""
VIEW = """import json

import numpy as np
from PIL import Image, ImageOps

facts = json.load(open("export.json"))
classes, size = facts["data"]["classes"], facts["model"]["size"]


def view(path):
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    shape = {shape}
    picture = picture.resize(shape, Image.Resampling.BILINEAR)
    left, top = ((side - size) // 2 for side in shape)
    picture = picture.crop((left, top, left + size, top + size))
    return np.asarray(picture, np.float32).transpose(2, 0, 1) / 255


pictures = np.stack([view("photo.jpg")])"""
RUN_ONNX = """import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
[probabilities] = session.run(["probabilities"], {"pictures": pictures})
for row in probabilities:
    print(classes[row.argmax()], row.max())"""
RUN_TORCH = """{imports}
{prepared}
model = {net}
model.load_state_dict(load_file("model.safetensors"))
mean, std = (torch.tensor(facts["model"][name]).view(1, 3, 1, 1) for name in ("mean", "std"))
with torch.inference_mode():
    logits = model.eval()((torch.from_numpy(pictures) - mean) / std)
for row in torch.softmax(logits / facts["model"]["temperature"], dim=1):
    print(classes[row.argmax()], float(row.max()))"""


def code(text: str) -> str:
    """Return Python as a block of Markdown."""
    return f"```python\n{text}\n```"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown; its cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(text: str) -> str:
    """Return a text with a backslash before what Markdown would not show as it is."""
    return MARKDOWN_MARKS.sub(r"\\\g<0>", text)


def percent(share: float) -> str:
    """Return a share as text."""
    return f"{100 * share:.2f} %"
