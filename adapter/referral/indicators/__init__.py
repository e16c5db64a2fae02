"""The indicators I1 to I16 (france.md 5): pure functions over what happened to referrals and when.

`Course`, what happened to one · `Counted`, fed with them one by one · `figures`, the rows that may be told, small counts and what
would give them away hidden · `BENCHMARKS` of the literature · `words`, what it is all called.
"""

from adapter.referral.indicators.benchmarks import BENCHMARKS, STRENGTHS, Benchmark
from adapter.referral.indicators.counting import Counted
from adapter.referral.indicators.course import Course, Meeting, Move
from adapter.referral.indicators.figures import Beside, Row, Shown, Synced, figures
from adapter.referral.indicators.hiding import LEAST, Sum, hidden

__all__ = [
    "BENCHMARKS", "LEAST", "STRENGTHS", "Benchmark", "Beside", "Counted", "Course", "Meeting", "Move", "Row", "Shown", "Sum", "Synced", "figures", "hidden",
]  # fmt: skip
