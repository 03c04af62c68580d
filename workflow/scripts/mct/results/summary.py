"""One page of an experiment: everything in it, so that it needs neither other files nor a network."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mct.results.tables import Row, read_rows

MOST_ROWS = 40
"""Rows of a table that are shown; its file has all."""
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; background: #fff;
  margin: 0 auto; max-width: 1100px; padding: 0 16px 48px; }
h1 { font-size: 1.6em; margin-bottom: 0.2em; overflow-wrap: anywhere; }
h2 { margin-top: 1.8em; font-size: 1.25em; }
nav a { margin-right: 0.9em; white-space: nowrap; } a { color: #0550ae; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; }
th, td { padding: 3px 10px; border-bottom: 1px solid #d0d7de; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #57606a; }
.wide img { min-width: 640px; } summary { cursor: pointer; }
img { max-width: 100%; height: auto; display: block; margin: 8px 0; }
p.made { color: #57606a; font-size: 14px; overflow-wrap: anywhere; }
pre { background: #f6f8fa; padding: 12px; overflow-x: auto; font-size: 13px; }
@media print { .wide img { min-width: 0; } nav { display: none; } h2 { break-after: avoid; }
  img, table { break-inside: avoid; }
  .wide, pre { overflow: visible; } pre { white-space: pre-wrap; }
  td, th { padding: 2px 5px; font-size: 11px; } }
"""


def page(title: str, lead: str, sections: Mapping[str, str]) -> str:
    """Return a page: a heading, links to its sections, and these by their titles as HTML."""
    links = " ".join(f'<a href="#{_anchor(name)}">{html.escape(name)}</a>' for name in sections)
    parts = [
        f'<section id="{_anchor(name)}"><h2>{html.escape(name)}</h2>{body}</section>'
        for name, body in sections.items()
        if body
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
        '<link rel="icon" href="data:,"></head><body>'
        f"<h1>{html.escape(title)}</h1><p>{html.escape(lead)}</p><nav>{links}</nav>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def result_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the measured rows of the accuracy table in five columns."""
    return [
        {
            "method": row["method"],
            "accuracy %": _with(row["top1_percent"], " ± ", row["top1_sd"]),
            "minus MCT (95 %)": _with(
                row["minus_mct"],
                " (",
                _with(row["minus_mct_low"], " to ", row["minus_mct_high"], ")"),
            ),
            "model": row["model"],
            "balanced %": row["balanced_percent"],
            "macro F1 %": row["macro_f1_percent"],
            "samples": f"{int(row['samples_seen_by_model']):,}",
        }
        for row in rows
        if row["kind"] == "measured"
    ]


def _with(text: str, between: str, other: str, end: str = "") -> str:
    return f"{text}{between}{other}{end}" if other else text


def table(rows: Sequence[Row]) -> str:
    """Return rows as an HTML table that scrolls by itself where it is too wide."""
    if not rows:
        return ""
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = [
        "<tr>" + "".join(f"<td>{html.escape(row[name])}</td>" for name in names) + "</tr>"
        for row in rows[:MOST_ROWS]
    ]
    more = f"<p class=made>{len(rows) - MOST_ROWS} more rows in its file</p>"
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f"<div class=wide><table>{body}</table></div>" + (more if len(rows) > MOST_ROWS else "")


def table_of(path: Path) -> str:
    """Return a TSV file as a table, with the caption that stands under it in Markdown."""
    return table(read_rows(path)) + caption_of(path)


def caption_of(path: Path) -> str:
    """Return what a table's Markdown says below it."""
    text = path.with_suffix(".md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("|")]
    return made(f"{' '.join(lines)} File: {'/'.join(path.parts[-2:])}")


def folded(title: str, body: str) -> str:
    """Return a part that opens when its title is clicked; it is open in print."""
    return f"<details><summary>{html.escape(title)}</summary>{body}</details>"


def made(text: str) -> str:
    """Return how something was made, as a paragraph."""
    return f"<p class=made>{html.escape(text.replace('`', ''))}</p>"


def code(text: str) -> str:
    """Return text as it is."""
    return f"<pre>{html.escape(text)}</pre>"


def figure(path: Path, text: str, *, wide: bool = True) -> str:
    """Return an SVG file as a picture with alternative text; a `wide` one scrolls on small screens.

    As data: the same names in several SVGs of one page would mean each other.
    """
    data = base64.b64encode(path.read_bytes()).decode()
    source = f"data:image/svg+xml;base64,{data}"
    kind = "wide" if wide else "fits"
    return f'<div class={kind}><img alt="{html.escape(text)}" src="{source}"></div>'


def cost_rows(records: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return a row for each training: its runs, ranks, samples, and seconds and core hours of all runs.

    `records` are by training and run.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for name, record in records.items():
        groups.setdefault(name.split("/")[0], []).append(record)
    return [
        {
            "training": name,
            "runs": str(len(found)),
            "ranks": str(found[0]["ranks"]),
            "samples of a run": f"{found[0]['samples_seen']:,}",
            "hours": f"{sum(one['seconds'] for one in found) / 3600:.3f}",
            "core hours": f"{sum(one['seconds'] * _cores(one) for one in found) / 3600:.3f}",
            "computed on": found[0]["hardware"]["gpu"] or found[0]["hardware"]["processor"],
            "precision": found[0]["hardware"]["precision"],
        }
        for name, found in groups.items()
    ]


def _cores(record: Mapping[str, Any]) -> int:
    return record["ranks"] * record["hardware"]["threads_per_rank"]
