"""Who somebody is, by the numbers of France and by traits (france.md 1.2, 1.3, 1.6). Pure: nothing here knows the store or an EHR."""

from adapter.identity.entering import Entered, entered
from adapter.identity.keys import fits
from adapter.identity.kinds import INS, NUMBERS, TRIALS, kind_of
from adapter.identity.phones import e164, spelt
from adapter.identity.places import postal_and_city
from adapter.identity.reliability import DOUBTFUL, HERE, QUALIFIED, doubtful, doubts, noted, status, unchecked
from adapter.identity.schemes import scheme
from adapter.identity.systems import canonical, canonised, marked, spellings
from adapter.identity.traits import alike, differing, traits

__all__ = [
    "DOUBTFUL", "HERE", "INS", "NUMBERS", "QUALIFIED", "TRIALS", "Entered", "alike", "canonical", "canonised", "differing", "doubtful", "doubts", "e164",
    "entered", "fits", "kind_of", "marked", "noted", "postal_and_city", "scheme", "spellings", "spelt", "status", "traits", "unchecked",
]
