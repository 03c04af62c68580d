"""The table of noise rates: the configured one, Ma's estimates, and the truth where it is known."""

from collections.abc import Mapping, Sequence
from typing import Any

from mct.results.tables import Row

TITLES = {
    "given": ("Given", "given"),
    "counted": ("Counted on verified labels", "measured"),
    "solved": ("Solved with Ma's confusion", "measured"),
    "confident_joint": ("Confident joint of Ma", "measured"),
    "truth": ("True labels", "truth"),
}
"""Title and kind of each method."""
ALL = "all"


def noise_rows(
    configured: Mapping[str, Any], models: Mapping[str, Any], classes: Sequence[str]
) -> list[Row]:
    """Return rows of percent of wrong labels: each method overall, then by observed class.

    `configured` is the rate that sets M and N, a `NoiseRate` as plain data. `models` has the output
    of `estimate_by_models` and the truth, a `NoiseRate` or None.
    """
    known = [configured, *models["estimates"], *filter(None, [models["truth"]])]
    rows = [_row(ALL, rate["method"], rate) for rate in known]
    rows += [
        {**_row(ALL, method, {}), "note": reason}
        for method, reason in models["unavailable"].items()
    ]
    for label, name in enumerate(classes):
        estimated = (rate for rate in known if rate["method"] != "given")
        rows += [_row(name, rate["method"], _of_class(rate, label)) for rate in estimated]
    return rows


def _of_class(rate: Mapping[str, Any], label: int) -> dict[str, Any]:
    """Return a class's part of a rate; nothing where no sample was observed as that class."""
    if not rate["class_samples"][label]:
        return {"samples": 0}
    columns = {"rate": "class_rates", "lower": "class_lowers", "upper": "class_uppers"}
    part = {name: rate[column][label] for name, column in columns.items() if column in rate}
    return {**part, "samples": rate["class_samples"][label]}


def _row(scope: str, method: str, part: Mapping[str, Any]) -> Row:
    title, kind = TITLES[method]
    has_interval = method == "counted"
    return {
        "observed_class": scope,
        "estimator": title,
        "kind": kind,
        "wrong_percent": _percent(part.get("rate")),
        "lower_percent": _percent(part.get("lower")) if has_interval else "",
        "upper_percent": _percent(part.get("upper")) if has_interval else "",
        "samples": str(part.get("samples") or ""),
        "note": "",
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
