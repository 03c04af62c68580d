"""YAML files that people write: what is wrong with one, by its file and line.

Snakemake reads the files of `--configfile` before the Snakefile and names neither file nor line of a
broken one, so `profiles/default` has them checked first.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from mct.base.errors import UserError

OPTIONS = ("--configfile", "--configfiles")
KEY = re.compile(r"[A-Za-z_][\w-]*\w=")
"""How a word of `--config` begins, as Snakemake asks."""
OWN = "config/config.yaml"
"""The configuration that lies under all others."""


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds; UserError with the line where it is broken."""
    text = _text_of(path)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(_explain(path, error)) from error


def check_keys(path: Path) -> None:
    """Raise UserError unless a file has keys with values as YAML or JSON, each key once."""
    text = _text_of(path)
    if _is_json(text):
        text = text.replace("\t", " ")  # which JSON has between values only, and YAML nowhere
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UserError(_explain(path, error)) from error
    if not isinstance(tree, yaml.MappingNode):
        is_list = isinstance(tree, yaml.SequenceNode)
        got = "an empty file" if tree is None else "a list" if is_list else "a single value"
        raise UserError(f"{path}: expected keys with values, got {got}")
    for key, line, first in _repeated(tree, set()):
        raise UserError(
            f"{path}: line {line}: key `{key}` is given twice, first in line {first}; the first "
            "would be lost"
        )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _repeated(node: yaml.Node, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    """Yield each key that a mapping has twice, its line and the first one's."""
    if id(node) in seen:  # an alias, which may lead to itself
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                yield key.value, line, lines[key.value]
            yield from _repeated(value, seen)


def given_words(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return what arguments of snakemake give to `options`, each of which takes several words."""
    found, takes = [], False
    for word in arguments:
        option, equals, value = word.partition("=")
        if option in options:
            found += [value] if equals else []
            takes = not equals
        elif word.startswith("-"):
            takes = False
        elif takes:
            found.append(word)
    return found


def check_configfiles(arguments: Sequence[str]) -> None:
    """Raise UserError where a file of the configuration is missing or broken, or a key no key.

    Snakemake ends in a traceback there.
    """
    for word in given_words(arguments, ("--config", "-C")):
        if not KEY.match(word):
            raise UserError(
                f"--config: expected KEY=VALUE, got {word!r}; a key of a section is given as "
                "'SECTION={KEY: VALUE}', and targets come before --config, which takes all words that "
                "follow it"
            )
    for name in given_words(arguments, OPTIONS):
        if not Path(name).exists():
            raise UserError(
                f"--configfile: no such file: {name}; targets come before --configfile, which takes "
                "all words that follow it"
            )
        check_keys(Path(name))
    if Path(OWN).is_file():
        check_keys(Path(OWN))


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].count(b"\n")
        raise UserError(
            f"{path}: line {before + 1}: expected UTF-8, got another encoding"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _explain(path: Path, error: yaml.YAMLError) -> str:
    """Return one line that says where YAML is broken, and why."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        opened = error.context_mark
        since = f" ({error.context} in line {opened.line + 1})" if error.context and opened else ""
        return (
            f"{path}: line {mark.line + 1}, column {mark.column + 1}: this is not YAML: "
            f"{error.problem}{since}"
        )
    return f"{path}: this is not YAML: {' '.join(str(error).split())}"
