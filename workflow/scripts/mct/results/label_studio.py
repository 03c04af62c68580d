"""Label Studio's files: tasks with predictions, the labelling interface, and what people annotated.

Formats: labelstud.io/guide/predictions (tasks) and labelstud.io/guide/task_format (export as JSON).
The export as JSON-MIN, where the choice stands among the data, is read too.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from mct.base.errors import UserError
from mct.results.suspect_files import Suspect, decision_word

IMAGE, CHOICE = "image", "label"
"""Names of the tags of the labelling interface."""
EXPECTED = "expected Label Studio's export as JSON of tasks that `mct suspects export` wrote"


def make_tasks(
    suspects: Iterable[Suspect], picture: Callable[[str], str], version: str
) -> list[dict[str, Any]]:
    """Return a task for each suspect, whose proposed class is a prediction; `picture` gives a key's URL."""
    return [_task(one, picture(one.key), version) for one in suspects]


def _task(suspect: Suspect, picture: str, version: str) -> dict[str, Any]:
    choice = {
        "id": "proposal",
        "from_name": CHOICE,
        "to_name": IMAGE,
        "type": "choices",
        "value": {"choices": [suspect.proposed]},
    }
    return {
        "data": {
            IMAGE: picture,
            "key": suspect.key,
            "observed": suspect.observed,
            "proposed": suspect.proposed,
            "wrong_probability": suspect.wrong,
            "question": f"given as {suspect.observed}; proposed: {suspect.proposed}",
        },
        "predictions": [{"model_version": version, "score": suspect.certainty, "result": [choice]}],
    }


def interface(names: Sequence[str]) -> str:
    """Return the labelling interface of a project for these tasks."""
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in names)
    return (
        f'<View>\n  <Header value="$question"/>\n  <Image name="{IMAGE}" value="${IMAGE}"/>\n'
        f'  <Choices name="{CHOICE}" toName="{IMAGE}" choice="single" showInLine="true">\n'
        f"{choices}\n  </Choices>\n</View>\n"
    )


def read_answers(path: Path) -> list[tuple[str, ...]]:
    """Return a row of a review (`REVIEW`) for each task of an export.

    The label is empty where nobody chose one class, or annotators chose different ones. UserError for
    another file.
    """
    try:
        tasks = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: this is not JSON ({error}); {EXPECTED}") from error
    if not isinstance(tasks, list):
        raise UserError(f"{path}: {EXPECTED}, got no list")
    return [_answer(task, f"{path}, task {number}") for number, task in enumerate(tasks, start=1)]


def _answer(task: Any, place: str) -> tuple[str, ...]:
    if not isinstance(task, Mapping):
        raise UserError(f"{place}: {EXPECTED}, got {str(task)[:40]!r}")
    is_whole = isinstance(task.get("data"), Mapping)
    data = task["data"] if is_whole else task
    found = (data.get(name) for name in ("key", "observed", "proposed"))
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) < 3:
        raise UserError(
            f"{place}: no text `key`, `observed` and `proposed` among its data; {EXPECTED}"
        )
    chosen = _annotated(task) if is_whole else [_words(data.get(CHOICE))]
    labels = {tuple(words) for words in chosen}
    label = labels.pop()[0] if len(labels) == 1 and all(len(words) == 1 for words in labels) else ""
    key, observed, proposed = texts
    return key, label, decision_word(label, observed, proposed), observed, proposed


def _annotated(task: Mapping[str, Any]) -> list[list[str]]:
    """Return what each annotation chose, without those that were cancelled."""
    annotations = [each for each in task.get("annotations", ()) if not each.get("was_cancelled")]
    return [
        [
            word
            for part in annotation.get("result", ())
            if part.get("from_name") == CHOICE
            for word in _words(part.get("value", {}))
        ]
        for annotation in annotations
    ]


def _words(value: Any) -> list[str]:
    """Return the choices in a value, which JSON-MIN has as text where there is one."""
    if isinstance(value, Mapping):
        value = value.get("choices", [])
    return [value] if isinstance(value, str) else list(value or ())
