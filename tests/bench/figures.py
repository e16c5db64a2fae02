"""What a bench measured: a figure per row and system, the ratios between systems, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

OURS = "ours"


@dataclass(frozen=True)
class Figure:
    """One row of one system. `rate`: acts a second; `p50`, `p99`: milliseconds an act; `rss`: MB that the system's
    processes hold; `cpu_ms`: their CPU time an act. None: not measured here. `note`: what the reader must know."""

    id: str
    name: str
    system: str
    rate: float
    p50: float | None = None
    p99: float | None = None
    rss: float | None = None
    cpu_ms: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Ratio:
    """How often `system` does the row while another does it once: by rate, by CPU time (None: not measured)."""

    id: str
    name: str
    system: str
    to: str
    rate: float
    cpu: float | None = None


@dataclass(frozen=True)
class Round:
    """One round of one system: how many acts in how many seconds, how long each took (ms), the CPU seconds they cost."""

    acts: int
    seconds: float
    took: Sequence[float] = ()
    cpu: float | None = None


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of them do not exceed: nearest rank. Raises ValueError where there are none."""
    if not sorted_values:
        raise ValueError("expected at least one value")
    rank = -(-share * len(sorted_values) // 1)
    return sorted_values[max(0, min(len(sorted_values), int(rank)) - 1)]


def figure(id: str, name: str, system: str, rounds: Sequence[Round], *, rss: float | None = None, note: str = "") -> Figure:
    """The figure of some rounds: the median of their rates and of their CPU times, percentiles over all acts."""
    took = sorted(each for one in rounds for each in one.took)
    costs = [one.cpu / one.acts * 1e3 for one in rounds if one.cpu is not None and one.acts]
    return Figure(
        id, name, system, median(one.acts / one.seconds for one in rounds),
        percentile(took, 0.50) if took else None, percentile(took, 0.99) if took else None,
        rss, median(costs) if costs else None, note,
    )  # fmt: skip


def ratios(figures: Iterable[Figure], of: str = OURS) -> list[Ratio]:
    """Ours to each other system, for each row that both have; above 1 ours does more, or costs less."""
    every = list(figures)
    found = []
    for mine in (each for each in every if each.system == of):
        for other in every:
            if (other.id, other.name) == (mine.id, mine.name) and other.system != of:
                cpu = other.cpu_ms / mine.cpu_ms if other.cpu_ms and mine.cpu_ms else None
                found.append(Ratio(mine.id, mine.name, of, other.system, mine.rate / other.rate, cpu))
    return found


def as_json(figures: Sequence[Figure], *, left_out: dict[str, str], machine: dict[str, Any]) -> dict[str, Any]:
    """`left_out`: system or row → why it was not measured; `machine`: where and how it was."""
    return {
        "machine": machine,
        "figures": [{name: _rounded(value) for name, value in asdict(each).items()} for each in figures],
        "ratios": [{name: _rounded(value) for name, value in asdict(each).items()} for each in ratios(figures)],
        "left_out": left_out,
    }


def _rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def tables(figures: Sequence[Figure]) -> list[Table]:
    """The figures, and the ratios where there are any."""
    measured = Table("row", "what", "system", title="Figures", title_justify="left")
    for heading in ("a second", "p50 ms", "p99 ms", "CPU ms", "RSS MB"):
        measured.add_column(heading, justify="right")
    measured.add_column("note")
    for each in figures:
        columns = (_shown(value) for value in (each.rate, each.p50, each.p99, each.cpu_ms, each.rss))
        measured.add_row(each.id, each.name, each.system, *columns, each.note)
    compared = Table("row", "what", "compared", title="Ratios (above 1: ours does more, or costs less)", title_justify="left")
    for heading in ("rate", "CPU"):
        compared.add_column(heading, justify="right")
    found = ratios(figures)
    for one in found:
        compared.add_row(one.id, one.name, f"{one.system} / {one.to}", _times(one.rate), _times(one.cpu))
    return [measured, compared] if found else [measured]


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"
