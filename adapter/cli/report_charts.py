"""Charts of the report as SVG to stand inside the page: no script, no font and no address of another place."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from adapter.cli.reporting import HEADS, Row, number, share
from adapter.referral.indicators import words

OURS, THEIRS, PLAIN = "#1f5f8b", "#b8860b", "sans-serif"
_OF = {"hours": "median", "days": "median", "workers": "mean", "referrals": "mean", "share": "share"}  # what a benchmark is held against


def chart(indicator: dict[str, Any], lang: str) -> str:
    """The one chart of an indicator, "" where there is nothing to draw."""
    rows: list[Row] = indicator["rows"]
    if months := [row for row in rows if row["cut"] == "month"]:
        return _bars(indicator, [(row["group"], row["numerator"]) for row in months], lang)
    parts = [row for row in rows if not row["cut"] and row["share"] is not None and ":" not in row["part"]]
    if indicator["id"] in ("I5", "I11") and parts:
        return _shares(indicator, [(row["label"][lang], row["share"]) for row in parts], lang)
    return _beside(indicator, [row for row in rows if not row["cut"]], lang)


def _pygal() -> Any:
    """The library that draws, without the finder that it leaves in the interpreter for plug-ins of its own: that one speaks a protocol
    that Python has given up, so every later import warns of it."""
    import pygal

    sys.meta_path[:] = [each for each in sys.meta_path if not type(each).__module__.startswith("pygal")]
    return pygal


def _beside(indicator: dict[str, Any], rows: Sequence[Row], lang: str) -> str:
    """The first figure of ours beside those of others."""
    others = [each for each in indicator["benchmarks"] if each["value"] is not None]
    if not others or not rows:
        return ""
    of, row = _OF[others[0]["unit"]], rows[0]
    if row[of] is None:
        return ""
    lines = [(row["label"][lang], row[of], OURS), *((each["source"], each["value"], THEIRS) for each in others)]
    return _lying(indicator, lines, lang, as_share=of == "share")


def _shares(indicator: dict[str, Any], lines: Iterable[tuple[str, float]], lang: str) -> str:
    others = [(each["source"], each["value"], THEIRS) for each in indicator["benchmarks"] if each["value"] is not None]
    return _lying(indicator, [*((label, value, OURS) for label, value in lines), *others], lang, as_share=True)


def _lying(indicator: dict[str, Any], lines: Sequence[tuple[str, float, str]], lang: str, *, as_share: bool) -> str:
    drawn = _pygal().HorizontalBar(**_looks(indicator, lang), height=80 + 44 * len(lines), show_y_labels=True, print_values=True)
    drawn.value_formatter = (lambda value: share(value, lang)) if as_share else (lambda value: number(value, lang))
    drawn.x_labels = [label for label, _, _ in reversed(lines)]
    drawn.add("", [{"value": value, "color": colour} for _, value, colour in reversed(lines)])
    return _svg(drawn, indicator)


def _bars(indicator: dict[str, Any], months: Sequence[tuple[str, int | None]], lang: str) -> str:
    """A bar for each month; one that may not be told has a gap."""
    drawn = _pygal().Bar(**_looks(indicator, lang), height=280, x_label_rotation=45, print_values=True)
    drawn.value_formatter = lambda value: number(value, lang)
    drawn.x_labels = [month for month, _ in months]
    drawn.add("", [value if value is None else {"value": value, "color": OURS} for _, value in months])
    return _svg(drawn, indicator)


def _looks(indicator: dict[str, Any], lang: str) -> dict[str, Any]:
    from pygal.style import Style

    style = Style(
        background="transparent", plot_background="transparent", font_family=PLAIN, value_font_family=PLAIN, title_font_family=PLAIN,
        label_font_family=PLAIN, major_label_font_family=PLAIN, value_font_size=12, label_font_size=12, major_label_font_size=12,
        no_data_font_family=PLAIN, tooltip_font_family=PLAIN, legend_font_family=PLAIN, value_label_font_family=PLAIN,
    )  # fmt: skip
    return {
        "style": style, "js": (), "width": 640, "show_legend": False, "no_data_text": words.HIDDEN[lang], "range": None, "zero": 0, "include_x_axis": True,
        "title": None, "disable_xml_declaration": True, "x_title": HEADS["count"][lang] if indicator["id"] == "I1" else None,
    }  # fmt: skip


def _svg(drawn: Any, indicator: dict[str, Any]) -> str:
    """Without the script that pygal puts in for a page that moves, and without the marks of its making, which change each time."""
    from pygal.etree import etree  # lxml's or the standard library's, whichever it draws with

    drawn.uuid = indicator["id"]
    tree = drawn.render_tree()
    tree.set("role", "img")
    tree.set("aria-labelledby", f"title-{indicator['id']}")  # the table below it has every figure
    for parent in list(tree.iter()):
        for child in list(parent):
            if callable(child.tag) or str(child.tag).rpartition("}")[2] in ("script", "title", "desc"):
                parent.remove(child)
    text = str(etree.tostring(tree, encoding="unicode"))
    return re.sub(r'\s(?:xmlns(?::xlink)?|xlink:href)="[^"]*"', "", text)
