"""The synchronisation as Prometheus metrics: how far each EHR is behind, what waits, what became of letters, all processes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MODES = ("running", "halted", "paused", "resting")
STATES = ("queued", "unknown", "parked", "conflict")


class Found(Collector):
    """`adapter.sync.status` as metric families."""

    def __init__(self, found: Iterable[Mapping[str, Any]]) -> None:
        self._found = list(found)

    def collect(self) -> Iterable[Metric]:
        lag = GaugeMetricFamily("liaison_ehr_lag_seconds", "Since the oldest letter that waits was due", labels=["ehr"])
        depth = GaugeMetricFamily("liaison_ehr_letters", "Letters that are not done", labels=["ehr", "state"])
        lanes = GaugeMetricFamily("liaison_ehr_lanes", "Referrals with letters that are not done; held: those that wait for a person", labels=["ehr", "state"])
        conflicts = GaugeMetricFamily("liaison_ehr_conflicts", "Open conflicts", labels=["ehr"])
        mode = GaugeMetricFamily("liaison_ehr_mode", "1 for the mode that the letters of this EHR are in", labels=["ehr", "mode"])
        age = GaugeMetricFamily("liaison_ehr_pull_age_seconds", "Since everything there was read", labels=["ehr"])
        outcomes = CounterMetricFamily("liaison_ehr_outcomes", "What became of letters", labels=["ehr", "outcome"])
        hooks = GaugeMetricFamily("liaison_ehr_subscriptions", "Our Subscriptions there", labels=["ehr", "state"])
        refused = CounterMetricFamily("liaison_ehr_notifications_refused", "Notifications that were not believed", labels=["ehr", "why"])
        for one in self._found:
            ehr = one["ehr"]
            for state, count in Counter(each["state"] for each in one["subscriptions"].values()).items():
                hooks.add_metric([ehr, state], count)
            for why, count in one["refused"].items():
                refused.add_metric([ehr, why], count)
            lag.add_metric([ehr], one["lag"])
            conflicts.add_metric([ehr], one["conflicts"])
            for state in STATES:
                depth.add_metric([ehr, state], one[state])
            for state, count in one["lanes"].items():
                lanes.add_metric([ehr, state], count)
            for name in MODES:
                mode.add_metric([ehr, name], float(one["mode"] == name))
            if one["pulled"]:
                age.add_metric([ehr], one["pulled"]["age"])
            for outcome, count in one["outcomes"].items():
                outcomes.add_metric([ehr, outcome], count)
        return lag, depth, lanes, conflicts, mode, age, outcomes, hooks, refused


class Elapsed(Collector):
    """What Liaison did since ever because time had passed."""

    def __init__(self, done: Mapping[str, int]) -> None:
        self._done = dict(done)

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily("liaison_due_acts", "Reminders, escalations and requests closed without an answer", labels=["what"])
        for what, count in self._done.items():
            family.add_metric([what], count)
        return (family,)


def measured(found: Iterable[Mapping[str, Any]], done: Mapping[str, int] = {}) -> bytes:
    """`adapter.sync.status`, and what was `done` because time had passed, in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found(found))
    registry.register(Elapsed(done))
    return generate_latest(registry)
