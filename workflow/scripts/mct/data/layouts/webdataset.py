"""Tars of samples, as WebDataset has them: `a.jpg` with `a.cls` or `a.json`, in `train-000000.tar`.

Files of a sample share their name up to its first dot. Tars stay as they are: a plan reads headers and
labels, jobs read pictures in place.
"""

import json
import os
import posixpath
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from mct.base.errors import UserError, preview
from mct.base.names import key_of, name_of
from mct.base.texts import trim
from mct.data.layouts.archives import COMPRESSED, SUFFIXES, Section, is_inside
from mct.data.layouts.folders import Skipped, ignored
from mct.data.layouts.labelled_files import TRUE_LABEL, LabelledFiles, Sample
from mct.data.layouts.set_files import advice_on
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import Storage
from mct.data.pictures import KNOWN_ENDINGS

TAR = SUFFIXES[0]
NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)
"""A member's sample, and its ending from the first dot on."""
LABEL, CLASS, JSON = "label", "cls", "json"
MOST_LABEL_BYTES = 16 << 20


@dataclass
class Parts:
    """The files of a sample: their endings, the names of pictures, and the contents of labels by ending."""

    endings: set[str] = field(default_factory=set)
    pictures: list[str] = field(default_factory=list)
    labels: dict[str, bytes] = field(default_factory=dict)


class WebDataset(LabelledFiles):
    """A data set of tars whose members are samples."""

    endings = (TAR, *COMPRESSED)

    def __init__(self, settings: DatasetSettings) -> None:
        super().__init__(settings)
        self._storage = Storage(self._root, archives=True)
        self._left_out: list[Skipped] = []

    def listed_names(self) -> list[str]:
        """Return the pictures of all samples."""
        return [sample.key for name in self._sets.files for sample in self._samples(name)]

    def skipped(self) -> list[Skipped]:
        """Return other files, and samples without a picture or without a label."""
        _ = self._classes  # all tars are read
        return [*self._sets.skipped, *self._left_out]

    def _read_samples(self, file: str) -> list[Sample]:
        path = self._root / name_of(file)
        samples, found = self._group(file, path), []
        for base, parts in sorted(samples.items()):
            if len(parts.pictures) > 1:
                raise UserError(
                    f"{path}: sample {key_of(base)} has {len(parts.pictures)} pictures "
                    f"({preview(list(map(key_of, parts.pictures)))}); expected one; keep one"
                )
            if parts.pictures and parts.labels:
                key = key_of(f"{name_of(file)}/{parts.pictures[0]}")
                found.append(Sample(key, *self._labels(parts.labels, f"{path}: {key_of(base)}")))
            else:
                lack = "label" if parts.pictures else "picture"
                self._skip(file, base, f"sample_without_{lack}", len(parts.endings))
        if not found:
            raise UserError(
                f"{path}: no sample in it; expected pictures KEY.jpg (or .png, .webp, ...) with KEY.cls or "
                f"KEY.json, got {preview(list(map(key_of, samples))) or 'nothing'}"
            )
        return found

    def _group(self, file: str, path: Path) -> dict[str, Parts]:
        """Return the files of each sample of a tar; UserError for one that is there twice."""
        samples: dict[str, Parts] = {}
        for name, data in read_members(path):
            match = NAME.fullmatch(name)
            reason = next(filter(None, map(ignored, name.split("/"))), None)
            if reason or match is None:
                self._skip(file, name, reason or "other_file")
                continue
            parts, ending = samples.setdefault(match[1], Parts()), match[2].lower()
            if ending in parts.endings:
                raise UserError(
                    f"{path}: {key_of(name)} is there twice; expected each file of a sample once; "
                    "write the tar anew"
                )
            parts.endings.add(ending)
            if f".{ending}" in KNOWN_ENDINGS:
                parts.pictures.append(name)
            elif data is not None:
                parts.labels[ending] = data
        return samples

    def _skip(self, file: str, name: str, reason: str, files: int = 1) -> None:
        self._left_out.append(Skipped(key_of(f"{name_of(file)}/{name}"), reason, files))

    def _labels(self, files: dict[str, bytes], where: str) -> tuple[str, str]:
        """Return a sample's label and true label as text.

        The label is in `.cls`, or else in `.json`, where `dataset.label_column` may name its key.
        """
        data = _parse(files[JSON], f"{where}.{JSON}") if JSON in files else {}
        true = _text(data.get(TRUE_LABEL), f"{where}.{JSON}: {TRUE_LABEL}")
        given = self.settings.label_column
        if given is None and CLASS in files:
            return trim(_decode(files[CLASS], f"{where}.{CLASS}")), true
        key = given or LABEL
        if key not in data:
            raise UserError(
                f"{where}.{JSON}: expected a key `{key}`, got {preview(list(data)) or 'none'}; name the "
                "label's key in dataset.label_column"
            )
        return _text(data[key], f"{where}.{JSON}: {key}"), true


def read_members(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name of each file in a tar, and its bytes if it holds a label.

    UserError if the tar is cut, damaged or compressed, or has an entry that leads outside it.
    """
    if path.name.lower().endswith(COMPRESSED):
        raise UserError(f"{path}: expected a plain .tar, got a compressed one; decompress it")
    try:
        with path.open("rb") as file:
            section = Section(file, 0, os.fstat(file.fileno()).st_size)
            yield from _members(path, section)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise UserError(f"{path}: cannot be read as a tar: {error}; {advice_on(path)}") from error


def _members(path: Path, section: Section) -> Iterator[tuple[str, bytes | None]]:
    end = 0
    with tarfile.open(fileobj=BufferedReader(section), mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # a million headers would stay
            end = tar.offset
            if member.isreg():
                name = posixpath.normpath(member.name)
                if not is_inside(name):
                    raise UserError(f"{path}: entry {member.name!r} leads outside the archive")
                yield name, _content(member, section, path)
    if section.part(end, tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"no header at byte {end}")


def _content(member: tarfile.TarInfo, section: Section, path: Path) -> bytes | None:
    """Return the bytes of a member that holds a label, None for any other."""
    if not member.name.lower().endswith((f".{CLASS}", f".{JSON}")):
        return None
    if member.size > MOST_LABEL_BYTES:
        raise UserError(f"{path}: {key_of(member.name)}: expected a label, got {member.size} bytes")
    return section.part(member.offset_data, member.size)


def _decode(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: expected text in UTF-8: {error.reason}") from error


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(_decode(data, where))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{where}: expected a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{where}: expected a JSON object, got {preview([str(found)])[:80]}")
    return found


def _text(value: Any, where: str) -> str:
    """Return a label of JSON as text, empty for none; UserError for what is no label."""
    if isinstance(value, dict | list):
        raise UserError(f"{where}: expected a whole number or a text, got {json.dumps(value)[:80]}")
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value)
