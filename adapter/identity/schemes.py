"""Insurance schemes (*régimes*) under one code each, whatever a form or a card says (workflow.md 3: who is insured elsewhere is not taken)."""

from __future__ import annotations

from adapter.identity.traits import plain

GENERAL, AGRICULTURAL = "regime-general", "msa"
TABLE: dict[str, tuple[str, ...]] = {  # code: the number on the card, and words; all as `plain` has them
    GENERAL: ("01", "1", "general", "regime general", "rg", "cpam", "cnam", "assurance maladie", "03", "3", "rsi", "ssi", "independant", "independants"),
    AGRICULTURAL: ("02", "2", "agricole", "regime agricole", "mutualite sociale agricole", "regime msa"),
    "sncf": ("04", "4", "cprp sncf", "cprpf"), "ratp": ("05", "5", "ccas ratp"), "enim": ("06", "6", "marins"), "mines": ("07", "7", "canssm", "mineurs"),
    "militaires": ("08", "8", "cnmss", "militaire"), "clercs-notaires": ("10", "crpcen", "clercs de notaires"),
}  # fmt: skip
_CODES = {plain(word): code for code, words in TABLE.items() for word in (code, *words)}


def scheme(written: str) -> str:
    """The code of a scheme; of one that the table does not have its own words with hyphens between, so that equal stays equal."""
    return _CODES.get(found := plain(written), found.replace(" ", "-"))
