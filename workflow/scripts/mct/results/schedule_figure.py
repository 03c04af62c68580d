"""The figure of learning rates: how the rate of each training goes over its samples."""

from collections.abc import Mapping

from mct.learning.plan import Plan
from mct.results.plotting import Figure, plt
from mct.results.schedules import curve

WIDTH, HEIGHT, ACROSS = 3.2, 1.7, 3
"""Inches of a panel, and panels in a row."""


def draw_schedules(plans: Mapping[str, Plan]) -> Figure:
    """Return a panel for each course of rates, which names the trainings that have it."""
    groups = group(plans)
    across = min(ACROSS, len(groups))
    down = -(-len(groups) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(WIDTH * across, HEIGHT * down), layout="constrained", squeeze=False
    )
    for axis in axes.flat[len(groups) :]:
        axis.set_axis_off()
    for axis, names in zip(axes.flat, groups, strict=False):
        axis.plot(*curve(plans[names[0]]), linewidth=1.4)
        axis.set_title(_title(names), fontsize=8)
        axis.set_ylim(bottom=0)
    figure.supxlabel("share of the training", fontsize=9)
    figure.supylabel("learning rate", fontsize=9)
    return figure


def group(plans: Mapping[str, Plan]) -> list[list[str]]:
    """Return the names of trainings that have steps, those whose rates look alike together."""
    groups: dict[str, list[str]] = {}
    for name, plan in plans.items():
        if plan.steps:
            look = " ".join(f"{value:.3g}" for values in curve(plan) for value in values)
            groups.setdefault(look, []).append(name)
    return list(groups.values())


def _title(names: list[str]) -> str:
    """Return at most two names, and how many more there are."""
    more = len(names) - 2
    return ", ".join(names[:2]) + (f" and {more} more" if more > 0 else "")
