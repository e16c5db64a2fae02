"""The report in words: each row as cells of text, for the terminal and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from adapter.referral.indicators import words

Row = dict[str, Any]
HEADS = {
    "part": {"fr": "Mesure", "en": "Measure"}, "group": {"fr": "Pour", "en": "For"}, "count": {"fr": "Nombre", "en": "Number"},
    "share": {"fr": "Part", "en": "Share"}, "median": {"fr": "Médiane", "en": "Median"}, "p90": {"fr": "90 %", "en": "90 %"},
    "mean": {"fr": "Moyenne", "en": "Mean"}, "unit": {"fr": "Unité", "en": "Unit"},
}  # fmt: skip
COLUMNS = (
    "indicator", "part", "label", "cut", "group", "group_label", "numerator", "denominator", "share", "median", "p90", "mean", "unit", "declared", "hidden",
)  # fmt: skip
SOURCE = {"fr": "Ailleurs", "en": "Elsewhere"}
EVERYTHING, PERIOD = {"fr": "depuis le début", "en": "since the beginning"}, {"fr": "{} au {} (exclu)", "en": "{} to {} (not included)"}
WIDE = 140  # characters of a line in a file
NOW = {"fr": "ce jour", "en": "now"}


def number(value: float | None, lang: str) -> str:
    """As it is written there: 3,5 and 3.5; "" for none."""
    if value is None:
        return ""
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"
    return text.translate({ord(","): "\u202f", ord("."): ","}) if lang == "fr" else text


def share(value: float | None, lang: str) -> str:
    return "" if value is None else f"{number(round(value * 100, 1), lang)} %"


def cells(row: Row, lang: str) -> list[str]:
    """The row under HEADS."""
    of = number(row["denominator"], lang)
    count = words.HIDDEN[lang] if row["hidden"] else number(row["numerator"], lang) + (f" / {of}" if of else "")
    group = row["group_label"][lang] if row["cut"] else words.CUTS[""][lang]
    told = [row["label"][lang], group, count, share(row["share"], lang), *(number(row[name], lang) for name in ("median", "p90", "mean"))]
    return [*told, words.UNITS[row["unit"]][lang]]


def table(rows: list[Row], lang: str) -> tuple[list[str], list[list[str]]]:
    """(heads, lines) without the columns that are empty throughout."""
    lines = [cells(row, lang) for row in rows]
    used = [at for at in range(len(HEADS)) if any(line[at] for line in lines)]
    heads = [head[lang] for head in HEADS.values()]
    return [heads[at] for at in used], [[line[at] for at in used] for line in lines]


def span(found: dict[str, Any], lang: str) -> str:
    """The period in words."""
    if not found["from"] and not found["to"]:
        return EVERYTHING[lang]
    return PERIOD[lang].format(found["from"] or EVERYTHING[lang], found["to"] or NOW[lang])


def elsewhere(indicator: dict[str, Any], lang: str) -> Iterator[str]:
    """What the literature says, with its source and how much that proves."""
    from adapter.referral.indicators import STRENGTHS

    yield from (f"{each[lang]} ({each['source']} ; {STRENGTHS[each['strength']][lang]})" for each in indicator["benchmarks"])


def csv_lines(found: dict[str, Any], lang: str) -> Iterator[str]:
    """A head and one line a row; figures as JSON has them, so that any program reads them."""
    line = io.StringIO()
    writer = csv.writer(line)
    rows = (row for indicator in found["indicators"] for row in indicator["rows"])
    for values in ([*COLUMNS], *([_plain(row, name, lang) for name in COLUMNS] for row in rows)):
        writer.writerow(values)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _plain(row: Row, name: str, lang: str) -> Any:
    value = row[name]
    text = value[lang] if isinstance(value, dict) else str(value).lower() if isinstance(value, bool) else value
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@") else text  # a name of the network file is no formula


def show(found: dict[str, Any], lang: str) -> None:
    """Tables on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=WIDE)
    console.print(Text(f"Liaison, {span(found, lang)} · < {found['least']} : {words.HIDDEN[lang]}", style="bold"))
    for indicator in found["indicators"]:
        console.print()
        console.print(Text(f"{indicator['id']}  {indicator['title'][lang]}", style="bold"))
        if indicator["declared"]:
            console.print(Text(f"  {words.DECLARED[lang]}"))
        if indicator["rows"]:
            heads, lines = table(indicator["rows"], lang)
            drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
            for at, head in enumerate(heads):
                drawn.add_column(head, justify="left" if at < 2 else "right")
            for texts in lines:
                drawn.add_row(*map(Text, texts))
            console.print(drawn)
        for line in elsewhere(indicator, lang):
            console.print(Text(f"  {SOURCE[lang]} : {line}"), soft_wrap=True)
