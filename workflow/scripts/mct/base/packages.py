"""Packages that the workflow does without where they are not installed, and what it then leaves out."""

from importlib.util import find_spec

ONNX = ("onnx", "onnxscript")
"""What torch needs to write ONNX."""
ONNX_RUNTIME = "onnxruntime"
"""What a written ONNX model is compared with torch in."""


def missing(*names: str) -> list[str]:
    """Return the packages among `names` that are not installed; imports none of them."""
    return [name for name in names if find_spec(name) is None]


def advise_installing(*names: str) -> str:
    """Return that packages are not installed and how to install them; empty where all of them are."""
    lacking = missing(*names)
    if not lacking:
        return ""
    are = "is" if len(lacking) == 1 else "are"
    return f"{' and '.join(lacking)} {are} not installed: pip install {' '.join(lacking)}"
