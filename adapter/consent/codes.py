"""The small parts of three HL7 code systems that decisions need: purposes of use, confidentiality, sensitivity."""

from __future__ import annotations

from adapter.names import ACT_CODE, ACT_REASON

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

# Lowest first; R is what a sensitive label alone is worth at least.
LEVELS = {code: rank for rank, code in enumerate(("U", "L", "M", "N", "R", "V"))}
RESTRICTED, VERY_RESTRICTED = LEVELS["R"], LEVELS["V"]
URIS = "urn:ietf:rfc:3986"  # the system of a code that is a URI: in provision.class, a profile

# v3-ActReason below PurposeOfUse: parent -> children.
_PURPOSES = {
    "PurposeOfUse": "HMARKT HOPERAT HPAYMT HRESCH PATRQT PUBHLTH TREAT",
    "HOPERAT": "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN "
    "MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN",
    "HSYSADMIN": "LABELING METAMGT",
    "SYSDEV": "HTEST",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE REMITADV",
    "COVERAGE": "ELIGDTRM ELIGVER ENROLLM MILDCRG",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "PUBHLTH": "DISASTER THREAT",
    "TREAT": "CLINTRL COC ETREAT POPHLTH",
    "ETREAT": "BTG ERTREAT",
}

# v3-ActCode below _InformationSensitivityPolicy, as HL7 publishes it; compartments are labels of the same kind.
_SENSITIVITIES = {
    "_InformationSensitivityPolicy": "_ActInformationSensitivityPolicy _EntitySensitivityPolicyType "
    "_RoleInformationSensitivityPolicy ADOL CEL DIA DRGIS EMP PDS PHY PRS VIP",
    "_ActInformationSensitivityPolicy": "ETH GDIS HIV IDS MST PREGNANT SCA SDV SEX SICKLE SPI STD TBOO VIO",
    "SPI": "BH MH PSY PSYTHPN SUD",
    "BH": "COGN DVD EMOTDIS",
    "SUD": "ETHUD OPIOIDUD",
    "_EntitySensitivityPolicyType": "DEMO DOB GENDER LIVARG MARST PATLOC RACE REL",
    "_RoleInformationSensitivityPolicy": "B EMPL LOCIS SSP",
    "COMPT": "ACOCOMPT CDSSCOMPT CTCOMPT FMCOMPT HRCOMPT LRCOMPT PACOMPT RESCOMPT RMGTCOMPT",
}

# v3-ActCode labels that say how to handle a copy, not what it is about: they are no compartment.
_HANDLING = (
    "ANONY AOD AUDIT AUDTR CPLYCC CPLYCD CPLYCUI CPLYJPP CPLYJSP CPLYOPP CPLYOSP CPLYPOL DECLASSIFYLABEL DEID DELAU "
    "DOWNGRDLABEL DRIVLABEL ENCRYPT ENCRYPTR ENCRYPTT ENCRYPTU HUAPRV LABEL MASK MINEC PERSISTLABEL PRIVMARK PSEUD REDACT "
    "UPGRDLABEL NOAUTH NOCOLLECT NODSCLCD NODSCLCDS NOINTEGRATE NOLIST NOMOU NOORGPOL NOPAT NOPERSISTP NORDSCLCD "
    "NORDSCLCDS NORDSCLW NORELINK NOREUSE NOVIP ORCON"
)
HANDLING = frozenset(_HANDLING.split())


def _ancestors(tree: dict[str, str], system: str) -> dict[str, frozenset[str]]:
    parents = {child: parent for parent, children in tree.items() for child in children.split()}
    above: dict[str, frozenset[str]] = {}
    for code in {*parents, *tree}:
        line, at = set(), code
        while at in parents:
            at = parents[at]
            line.add(f"{system}|{at}")
        above[f"{system}|{code}"] = frozenset(line)
    return above


PURPOSES_ABOVE = _ancestors(_PURPOSES, ACT_REASON)
SENSITIVITIES_ABOVE = _ancestors(_SENSITIVITIES, ACT_CODE)
_NONE: frozenset[str] = frozenset()


def purpose_within(code: str, listed: str) -> bool:
    """True when purpose "system|code" equals `listed` or descends from it."""
    return code == listed or listed in PURPOSES_ABOVE.get(code, _NONE)


def sensitivity_within(code: str, listed: frozenset[str]) -> bool:
    """True when the sensitivity "system|code" is listed, or a child of a listed one."""
    return code in listed or not listed.isdisjoint(SENSITIVITIES_ABOVE.get(code, _NONE))
