"""A trained model as files that need nothing of this project: safetensors with its facts, and ONNX.

The ONNX model takes pictures and gives probabilities: what comes before and after the net is in it. A
net that torch cannot write as ONNX, or an environment without the packages for it, leaves it out.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from mct.base.errors import UserError
from mct.base.files import file_digest, replacing
from mct.base.packages import ONNX, ONNX_RUNTIME, advise_installing, missing
from mct.data.images import fitted_shape
from mct.data.imagesets import ImageSet
from mct.data.loading import read_for_evaluation
from mct.data.settings import ImageSettings
from mct.learning.models import load_model
from mct.learning.settings import EvaluationSettings
from mct.learning.weight_files import read_weights

FORMAT_VERSION = "1"
WEIGHTS, ONNX_FILE = "model.safetensors", "model.onnx"
PICTURES, PROBABILITIES = "pictures", "probabilities"
"""Names of the ONNX model's input and output."""
LARGEST_DIFFERENCE = 1e-4
"""What a probability may differ by between ONNX Runtime and torch."""
COMPARED = 1000
"""The most test pictures on which they are compared."""
AT_A_TIME = 64
LARGEST_BYTES = 1_500_000_000
"""Of weights; an ONNX file holds at most 2 GB."""
Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What has to be known to use a net: how pictures become its input, and its outputs probabilities.

    `resize` is the length in pixels that a picture's short side gets before the centre is cropped.
    """

    architecture: str
    classes: Sequence[str]
    size: int
    resize: int
    mean: Sequence[float]
    std: Sequence[float]
    temperature: float

    @classmethod
    def of(
        cls, settings: EvaluationSettings, classes: Sequence[str], temperature: float
    ) -> "ModelFacts":
        """Return the facts of a net that is evaluated by these settings."""
        images = settings.images
        far = 2**20  # a picture so large has to be resized
        return cls(
            architecture=settings.model.name,
            classes=classes,
            size=images.size,
            resize=fitted_shape(far, far, images.size, images.resize)[0],
            mean=images.mean,
            std=images.std,
            temperature=temperature,
        )

    def metadata(self) -> dict[str, str]:
        """Return the facts as texts, all but the architecture as JSON; `format` says torch."""
        texts = {name: json.dumps(value) for name, value in vars(self).items()}
        named = {"architecture": self.architecture, "format": "pt"}
        return {**texts, **named, "format_version": FORMAT_VERSION}


class ExportedNet(nn.Module):
    """A net with what comes before and after it: from pictures to probabilities."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, facts: ModelFacts) -> None:
        super().__init__()
        self.net, self.temperature = net, facts.temperature
        self.register_buffer("mean", torch.tensor(facts.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(facts.std).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return probabilities (n, K) of pictures, float32 (n, 3, size, size) in 0 to 1."""
        logits = self.net((pictures - self.mean) / self.std)
        return torch.softmax(logits / self.temperature, dim=1)


def in_float32(settings: EvaluationSettings) -> EvaluationSettings:
    """Return settings of predictions in float32, also on a GPU, for which this process gives up TF32."""
    torch.backends.cudnn.allow_tf32 = False  # 10 bits of mantissa, far from what others compute
    model = msgspec.structs.replace(settings.model, precision="float32")
    return msgspec.structs.replace(settings, model=model)


def write_model(
    weights: Path,
    settings: EvaluationSettings,
    facts: ModelFacts,
    output: Path,
    check: Callable[[Path], Facts],
) -> Facts:
    """Write a model's files next to a path and return what was written; for `check` see `write_onnx`."""
    paths = [output.with_name(name) for name in (WEIGHTS, ONNX_FILE)]
    net = load_model(settings.model, len(facts.classes), facts.size, weights)
    exported = ExportedNet(net.float(), facts).eval()  # also of a net that was trained in float64
    write_weights(weights, facts.metadata(), paths[0])
    onnx = write_onnx(exported, facts, paths[1], check)
    stated = {name: value for name, value in vars(facts).items() if name != "classes"}
    counted = {
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "resizes_all": settings.images.resize is not None,
    }
    return {
        "format_version": FORMAT_VERSION,
        "model": {**stated, **counted},
        "onnx": onnx,
        "files": {path.name: file_digest(path) for path in paths if path.exists()},
    }


def write_weights(weights: Path, metadata: Mapping[str, str], path: Path) -> None:
    """Write the tensors of a file of weights, as they are, as .safetensors with metadata."""
    with replacing(path) as temporary:
        # Not by save_file, whose files nobody else may read.
        temporary.write_bytes(save(read_weights(weights), dict(metadata)))


def write_onnx(
    net: ExportedNet, facts: ModelFacts, path: Path, check: Callable[[Path], Facts]
) -> Facts:
    """Write a net as ONNX with its facts as metadata, if `check` of the file raises nothing.

    Returns what `check` returns, and the version of ONNX's operators; or `left_out`, why there is no
    file.
    """
    if reason := advise_installing(*ONNX):
        return {"left_out": reason}
    if (held := sum(4 * tensor.numel() for tensor in net.state_dict().values())) > LARGEST_BYTES:
        return {"left_out": f"the net has {held / 1e9:.1f} GB of weights, more than one file holds"}
    try:
        program = _as_onnx(net, facts.size)
    except torch.onnx.errors.OnnxExporterError as error:
        cause = error.__cause__ or error  # whose own text tells programmers of steps and colours
        reason = f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')}"
        return {"left_out": f"torch cannot write {facts.architecture} as ONNX ({reason})"}
    program.model.metadata_props.update(facts.metadata())
    with replacing(path) as temporary:
        program.save(temporary)
        return {"operators": program.model.opset_imports[""], **check(temporary)}


def _as_onnx(net: ExportedNet, size: int) -> torch.onnx.ONNXProgram:
    """Return a net as an ONNX program that takes any number of pictures, without paths of this machine."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass  # comes with onnxscript

    with torch.no_grad():
        program = torch.onnx.export(
            net,
            (torch.rand(2, 3, size, size),),
            input_names=[PICTURES],
            output_names=[PROBABILITIES],
            dynamic_shapes={PICTURES: {0: "n"}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)
    return program


def spread_positions(count: int, most: int = COMPARED) -> NDArray[np.int64]:
    """Return at most `most` positions of a set, evenly over all of it: classes may lie in order."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def compare_onnx(
    path: Path,
    image_set: ImageSet,
    images: ImageSettings,
    expected: NDArray[np.floating],
    threads: int,
) -> Facts:
    """Return how far ONNX Runtime is from `expected`, torch's probabilities (n, K) of a set.

    Where it is not installed, `not_compared` says so. UserError for a difference that is no rounding.
    """
    if missing(ONNX_RUNTIME):
        return {"not_compared": advise_installing(ONNX_RUNTIME)}
    found = _run_onnx(path, image_set, images, threads)
    difference, runtime = float(abs(found - expected).max()), version(ONNX_RUNTIME)
    if not difference < LARGEST_DIFFERENCE:
        raise UserError(
            f"{ONNX_FILE}: probabilities of ONNX Runtime {runtime} and torch {torch.__version__} differ by "
            f"up to {difference:.2g} on {len(expected)} test pictures, expected less than "
            f"{LARGEST_DIFFERENCE:g}; take other versions of onnx, onnxscript and onnxruntime, or "
            "uninstall onnx to export without it"
        )
    return {"largest_difference": difference, "compared": len(expected), "onnxruntime": runtime}


def _run_onnx(
    path: Path, image_set: ImageSet, images: ImageSettings, threads: int
) -> NDArray[np.float32]:
    """Return what ONNX Runtime gives for a set on the processor, (n, K)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    batches = read_for_evaluation(image_set, images, AT_A_TIME, threads=threads, prefetch=1)
    return np.concatenate(
        [
            session.run([PROBABILITIES], {PICTURES: (batch.contiguous() / 255).numpy()})[0]
            for batch, _ in batches
        ]
    )
