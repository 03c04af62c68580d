"""What tables of speed have in common: efficiency over ranks, and the machines they were made on."""

from collections.abc import Mapping, Sequence
from typing import Any


def speed_ups(times: Sequence[tuple[int, float]]) -> list[float]:
    """Return, for each ranks and time of the same work, the time on the fewest ranks divided by it.

    Of several times for the fewest ranks the first counts.
    """
    _, longest = min(times, key=lambda time: time[0])
    return [longest / own for _, own in times]


def efficiencies(times: Sequence[tuple[int, float]]) -> list[float]:
    """Return, for each ranks and time, the speed-up over the fewest ranks divided by their ratio."""
    fewest = min(ranks for ranks, _ in times)
    return [
        speed_up * fewest / ranks
        for speed_up, (ranks, _) in zip(speed_ups(times), times, strict=True)
    ]


def is_oversubscribed(found: Mapping[str, Any]) -> bool:
    """Return whether a measurement had more ranks than cores."""
    return found["ranks"] > found["cores"]


def machines(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the machines that measurements were made on, with their ranks where they differ."""
    ranks: dict[str, list[int]] = {}
    for part in sorted(found, key=lambda part: part["ranks"]):
        own = ranks.setdefault(_machine(part), [])
        if part["ranks"] not in own:
            own.append(part["ranks"])
    if len(ranks) == 1:
        return next(iter(ranks))
    return "; ".join(f"{name} ({', '.join(map(str, own))} ranks)" for name, own in ranks.items())


def _machine(part: Mapping[str, Any]) -> str:
    hardware = part["hardware"]
    names = (hardware["gpu"], hardware["processor"], f"{part['cores']} cores in all")
    return ", ".join(filter(None, (*names, hardware["precision"])))
