"""Write and read what the project keeps while flock(2) fails as on file systems without locks.

Run by test_file_systems.py in a process of its own: a filter of system calls stays for good. Prints
a JSON object: the traceback of each part that failed, and what was said, by part and error.
"""

import contextlib
import ctypes
import errno
import io
import json
import platform
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from samples import picture_of, pixel_set, write_labelled

from mct.base.files import write_arrays
from mct.cluster.results_folder import claim
from mct.data.imagesets import open_set, verify_index
from mct.labels.judging import FIELDS, Judgement, read_judgements, write_judgement
from mct.learning.objectives import read_label_weights
from mct.stage.watch import StageLock

ERRORS = {"ENOLCK": errno.ENOLCK, "EOPNOTSUPP": errno.EOPNOTSUPP, "524": 524}
FLOCK = {"x86_64": 73, "aarch64": 32}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
ALLOW, ANSWER = 0x7FFF0000, 0x00050000
UNSUPPORTED = 77


class Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )  # fmt: skip


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction)))


def refuse_locks(number: int) -> bool:
    """Let flock(2) fail with this error from now on; False where the system does not allow that."""
    call = FLOCK.get(platform.machine())
    if sys.platform != "linux" or call is None:
        return False
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (6, 0, 0, ANSWER | number), (6, 0, 0, ALLOW)]
    program = Program(len(steps), (Instruction * len(steps))(*(Instruction(*s) for s in steps)))
    control = ctypes.CDLL(None).prctl
    control(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return not control(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def read_shards(folder: Path) -> None:
    """Read shards that were written where there are locks."""
    check_set(folder / "sound/labels.parquet")


def check_set(labels: Path) -> None:
    image_set = open_set("noisy", labels)
    for place in range(len(image_set)):
        np.testing.assert_array_equal(image_set.read(place), picture_of(place))
    assert verify_index(labels) == 2


def write_shards(folder: Path) -> None:
    check_set(write_labelled(folder / "new", shards=2))


def write_results(folder: Path) -> None:
    """Write and read the other HDF5 files: histories, judgements, weights of labels."""
    image_set, numbers = pixel_set(5), np.arange(5.0)
    write_judgement(
        image_set.sample, Judgement(**dict.fromkeys(FIELDS, numbers)), folder / "judged.h5"
    )
    found = read_judgements(image_set.sample, [folder / "judged.h5"])
    np.testing.assert_array_equal(found.wrong, numbers)
    weights = {"sample": image_set.sample, "weight": numbers.astype(np.float32)}
    write_arrays(folder / "weights.h5", weights, {"sample": "row of the catalogue"})
    np.testing.assert_array_equal(read_label_weights(folder / "weights.h5", image_set), numbers)


def hold_stage(folder: Path) -> None:
    StageLock(folder / "stage")


def claim_results(folder: Path) -> None:
    with (folder / ".running").open("a+") as lock:
        claim(lock, folder)
    assert len((folder / ".running").read_text().splitlines()) == 2


PARTS = (read_shards, write_shards, write_results, hold_stage, claim_results)


def attempt(part: Callable[[Path], None], folder: Path) -> tuple[str, str]:
    """Return the traceback of a part, if it fails, and what it says."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            part(folder)
        except Exception:
            return traceback.format_exc(), said.getvalue()
    return "", said.getvalue()


def main() -> int:
    outcomes = {}
    with tempfile.TemporaryDirectory() as name:
        write_labelled(Path(name) / "sound", shards=2)
        for error, number in ERRORS.items():
            if not refuse_locks(number):
                return UNSUPPORTED
            shutil.copytree(Path(name) / "sound", Path(name) / error / "sound")
            for part in PARTS:
                outcomes[f"{part.__name__} {error}"] = attempt(part, Path(name) / error)
    print(json.dumps(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
