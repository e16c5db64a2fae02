"""Invariants of the data types, by their key in R4. Narrative's (txt-1, txt-2) are in `narrative`."""

from __future__ import annotations

from adapter.fhir.dates import after
from adapter.fhir.rule import Object, Rule, has, has_choice, needs, not_both, one_at_least

UCUM = "http://unitsofmeasure.org"


def _value_or_nested(extension: Object) -> bool:
    nested = "extension" in extension
    for key in extension:
        if key[:1] == "v" or key[:2] == "_v":
            return not nested
    return nested


def _in_order(period: Object) -> bool:
    start, end = period.get("start"), period.get("end")
    return start is None or end is None or not after(start, end)


def _low_before_high(span: Object) -> bool:
    low, high = span.get("low", {}), span.get("high", {})
    same_unit = all(low.get(part) == high.get(part) for part in ("unit", "system", "code"))
    return not same_unit or "value" not in low or "value" not in high or bool(low["value"] <= high["value"])


def _ratio(ratio: Object) -> bool:
    return ("numerator" in ratio) == ("denominator" in ratio) and ("numerator" in ratio or "extension" in ratio)


def _measured(quantity: Object) -> bool:
    """Age, Count, Distance: a value has a code, a system is UCUM."""
    return (has(quantity, "code") or not has(quantity, "value")) and quantity.get("system", UCUM) == UCUM


def _age(age: Object) -> bool:
    return _measured(age) and bool(age.get("value", 1) > 0)


def _count(count: Object) -> bool:
    return _measured(count) and count.get("code", "1") == "1" and float(count.get("value", 0)).is_integer()


def _duration(duration: Object) -> bool:
    return not has(duration, "code") or (duration.get("system") == UCUM and has(duration, "value"))


def _one_filter(filter: Object) -> bool:
    return has(filter, "path") != has(filter, "searchParam")


def _offset(repeat: Object) -> bool:
    return not has(repeat, "offset") or (has(repeat, "when") and not set(repeat.get("when", ())) & {"C", "CM", "CD", "CV"})


def _trigger(trigger: Object) -> bool:
    kind = trigger.get("type", "")
    if kind == "named-event":
        return has(trigger, "name")
    if kind == "periodic":
        return has_choice(trigger, "timing")
    return not kind.startswith("data-") or "data" in trigger


def _not_negative(name: str, key: str) -> Rule:
    return Rule(key, lambda v: bool(v.get(name, 0) >= 0), f"{name} is not negative", name)


QTY_3 = needs("qty-3", "code", "system")

RULES: dict[str, tuple[Rule, ...]] = {
    "Extension": (Rule("ext-1", _value_or_nested, "expected either a value or nested extensions"),),
    "Period": (Rule("per-1", _in_order, "start is not later than end"),),
    "ContactPoint": (needs("cpt-2", "value", "system"),),
    "Attachment": (needs("att-1", "data", "contentType"),),
    "Quantity": (QTY_3,),
    "Age": (QTY_3, Rule("age-1", _age, "a value has a code, is above 0 and its system is UCUM")),
    "Count": (QTY_3, Rule("cnt-3", _count, "a count is a whole number with code 1 of UCUM")),
    "Distance": (QTY_3, Rule("dis-1", _measured, "a value has a code and its system is UCUM")),
    "Duration": (QTY_3, Rule("drt-1", _duration, "a code comes with a value and the system is UCUM")),
    "Range": (Rule("rng-2", _low_before_high, "low is not above high"),),
    "Ratio": (Rule("rat-1", _ratio, "numerator and denominator come together, or neither with an extension"),),
    "Expression": (one_at_least("exp-1", "expression", "reference"),),
    "DataRequirementCodeFilter": (Rule("drq-1", _one_filter, "expected either path or searchParam"),),
    "DataRequirementDateFilter": (Rule("drq-2", _one_filter, "expected either path or searchParam"),),
    "TimingRepeat": (
        needs("tim-1", "duration", "durationUnit"),
        needs("tim-2", "period", "periodUnit"),
        _not_negative("duration", "tim-4"),
        _not_negative("period", "tim-5"),
        needs("tim-6", "periodMax", "period"),
        needs("tim-7", "durationMax", "duration"),
        needs("tim-8", "countMax", "count"),
        Rule("tim-9", _offset, "offset needs when, and not C, CM, CD or CV", "offset"),
        not_both("tim-10", "timeOfDay", "when"),
    ),
    "TriggerDefinition": (
        Rule("trd-1", lambda v: not ("data" in v and has_choice(v, "timing")), "data and timing exclude each other"),
        needs("trd-2", "condition", "data"),
        Rule("trd-3", _trigger, "expected what its type asks for: a name, a timing or data"),
    ),
}
