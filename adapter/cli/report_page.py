"""The report as one HTML page that stands by itself: nothing in it asks another place for anything, and it prints well."""

from __future__ import annotations

from html import escape
from typing import Any

from adapter.cli.report_charts import chart
from adapter.cli.reporting import SOURCE, elsewhere, span, table
from adapter.referral.indicators import words

TITLE = {"fr": "Indicateurs des orientations sociales", "en": "Indicators of social referrals"}
ABOUT = {
    "fr": "Orientations demandées dans la période, telles qu'elles sont à ce jour. Un nombre derrière lequel il y a moins de {} personnes est masqué, "
          "et avec lui ce qui permettrait de le retrouver. Les communes et les âges de peu de personnes sont regroupés.",
    "en": "Referrals asked in the period, as they stand now. A number behind which there are fewer than {} persons is hidden, and with it "
          "what would give it away. Communes and age classes of few persons are put together.",
}  # fmt: skip
MADE = {"fr": "Établi le", "en": "Made on"}
NONE = {"fr": "Rien dans cette période.", "en": "Nothing in this period."}
HIDES = ' class="hidden"'
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 60rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
section { border-top: 2px solid #1f5f8b; padding: 1rem 0 1.25rem; } .about, .made { color: #444; }
.declared { display: inline-block; border: 1px solid #8a5a00; color: #6b4500; background: #fff6e0; padding: .1rem .5rem; border-radius: .25rem; }
.wide { overflow-x: auto; } svg { display: block; width: 100%; max-width: 40rem; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #ddd; } th { border-bottom: 2px solid #999; font-weight: 600; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; } tr.hidden td { color: #555; font-style: italic; }
.elsewhere { margin: .75rem 0 0; padding-left: 1.2rem; color: #444; font-size: .92rem; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } section, tr, svg { break-inside: avoid; } h2 { break-after: avoid; }
  .wide { overflow: visible; } thead { display: table-header-group; } }
"""


def page(found: dict[str, Any], lang: str) -> str:
    """The whole document."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"  # whatever stood in it, nothing would be fetched
    title = f"{TITLE[lang]}, {span(found, lang)}"
    head = (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n'
    )
    about = ABOUT[lang].format(found["least"])
    made = f"{MADE[lang]} {found['made'][:10]}"
    top = f'<h1>{TITLE[lang]}</h1>\n<p class="made">{escape(span(found, lang))} · {made}</p>\n<p class="about">{escape(about)}</p>'
    sections = "\n".join(_section(each, lang) for each in found["indicators"])
    return f"{head}<body>\n<header>{top}</header>\n<main>\n{sections}\n</main>\n</body>\n</html>"


def _section(indicator: dict[str, Any], lang: str) -> str:
    number = indicator["id"]
    parts = [f'<h2 id="title-{number}">{number} · {escape(indicator["title"][lang])}</h2>']
    if indicator["declared"]:
        parts.append(f'<p><span class="declared">{escape(words.DECLARED[lang])}</span></p>')
    if indicator["rows"]:
        parts += [chart(indicator, lang), _table(indicator, lang)]
    else:
        parts.append(f"<p>{NONE[lang]}</p>")
    if others := list(elsewhere(indicator, lang)):
        lines = "".join(f"<li>{escape(each)}</li>" for each in others)
        parts.append(f'<ul class="elsewhere" aria-label="{SOURCE[lang]}">{lines}</ul>')
    return f'<section aria-labelledby="title-{number}">\n' + "\n".join(filter(None, parts)) + "\n</section>"


def _table(indicator: dict[str, Any], lang: str) -> str:
    heads, lines = table(indicator["rows"], lang)
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = (
        f"<tr{HIDES if row['hidden'] else ''}>{''.join(f'<td>{escape(each)}</td>' for each in line)}</tr>"
        for row, line in zip(indicator["rows"], lines, strict=True)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
