"""Figures of alternating runs: medians, ratios run by run, and their range."""

from collections.abc import Iterable, Sequence
from statistics import median


def ratios(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    """Return the ratios of alternating runs, run by run."""
    return [upper / lower for upper, lower in zip(numerators, denominators, strict=True)]


def middle(values: Iterable[float], digits: int = 2) -> str:
    """Return the median as text."""
    return f"{median(values):.{digits}f}"


def span(values: Sequence[float], digits: int = 2) -> str:
    """Return the lowest and the highest value as text."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"
