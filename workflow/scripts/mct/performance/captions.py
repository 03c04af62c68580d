"""Captions of the tables of prefetch, communication and scaling: on what was measured, and what."""

from collections.abc import Mapping, Sequence
from typing import Any

CAPTIONS = {
    "prefetch": """Mini-batches of pretraining {settings[model][name]} on {samples:,} pictures of
{settings[images][size]} pixels. Exposed: what a step waits for its batch; hidden: what it waits less than
without prefetch.""",
    "communication": """`model_seconds` is a ring of messages with one latency and one bandwidth,
fitted to the rows that were measured with no more ranks than cores.""",
    "scaling": """Steps are those of a calibrated pair of {settings[model]} on random pictures of
{settings[size]} pixels in {settings[classes]} classes, reading not included; hours are those of
{task[epochs]} epochs of {task[pictures]:,} pictures, but in published rows. Weak: a rank keeps its batch, and
steps get fewer; strong: the global batch stays. Projected: the step of the fewest measured ranks, with the
messages of more ranks over links like those measured here, nothing hidden. Published: times of the named
source on its machine; their efficiency was computed from them here. Efficiency is against the fewest ranks
of the same scaling and system, where it has several rows.""",
}


def caption(kind: str, found: Sequence[Mapping[str, Any]], task: Mapping[str, Any]) -> str:
    """Return the caption of a table.

    All measurements that were `found` have the same settings; `task` is the section `scaling` of
    the configuration: the training whose time is asked for.
    """
    what = CAPTIONS[kind].format(task=task, **found[0])
    return f"Measured on {machines(found)}; medians, lowest, highest. {what}"


def machines(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the machines that measurements were made on, with their ranks where they differ."""
    ranks: dict[str, list[int]] = {}
    for part in sorted(found, key=lambda part: part["ranks"]):
        ranks.setdefault(_machine(part), []).append(part["ranks"])
    if len(ranks) == 1:
        return next(iter(ranks))
    return "; ".join(f"{name} ({', '.join(map(str, own))} ranks)" for name, own in ranks.items())


def _machine(part: Mapping[str, Any]) -> str:
    hardware = part["hardware"]
    names = (hardware["gpu"], hardware["processor"], f"{part['cores']} cores in all")
    return ", ".join(filter(None, (*names, hardware["precision"])))
