"""The code systems the reading names: published terms of HL7 (R4), only as far as a rule asks for them."""

from __future__ import annotations

TERMS = "http://terminology.hl7.org/CodeSystem/"
SCOPE, PURPOSE, ACTION = TERMS + "consentscope", TERMS + "v3-ActReason", TERMS + "consentaction"
LEVEL, SENSITIVITY, TYPES = TERMS + "v3-Confidentiality", TERMS + "v3-ActCode", "http://hl7.org/fhir/resource-types"
URIS = "urn:ietf:rfc:3986"  # codes of this system are URIs: a class that is a profile
SILENT_LABELS = (PURPOSE, TERMS + "v3-ObservationValue")  # label systems that speak neither of level nor of sensitivity
ACTIONS = ("access", "disclose", "collect", "use", "correct")
LEVELS = ("U", "L", "M", "N", "R", "V")
R, V = LEVELS.index("R"), LEVELS.index("V")


def tree(text: str) -> dict[str, str]:
    """code -> its parent, from lines "PARENT: CHILD CHILD"."""
    lines = (line.split(":") for line in text.strip().splitlines())
    return {child: parent.strip() for parent, children in lines for child in children.split()}


PURPOSES = tree("""
    PurposeOfUse: HMARKT HOPERAT HPAYMT HRESCH PATRQT PUBHLTH TREAT
    HOPERAT: CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN MEMADMIN
    HOPERAT: MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN
    HSYSADMIN: LABELING METAMGT
    SYSDEV: HTEST
    HPAYMT: CLMATTCH COVAUTH COVERAGE REMITADV
    COVERAGE: ELIGDTRM ELIGVER ENROLLM MILDCRG
    HRESCH: BIORCH CLINTRCH DSRCH POARCH TRANSRCH
    CLINTRCH: CLINTRCHNPC CLINTRCHPC PRECLINTRCH
    PATRQT: FAMRQT PWATRNY SUPNWK
    PUBHLTH: DISASTER THREAT
    TREAT: CLINTRL COC ETREAT POPHLTH
    ETREAT: BTG ERTREAT
""")
SENSITIVITIES = tree("""
    _InformationSensitivityPolicy: _ActInformationSensitivityPolicy _EntitySensitivityPolicyType _RoleInformationSensitivityPolicy
    _InformationSensitivityPolicy: ADOL CEL DIA DRGIS EMP PDS PHY PRS VIP
    _ActInformationSensitivityPolicy: ETH GDIS HIV IDS MST PREGNANT SCA SDV SEX SICKLE SPI STD TBOO VIO
    SPI: BH MH PSY PSYTHPN SUD
    BH: COGN DVD EMOTDIS
    SUD: ETHUD OPIOIDUD
    _EntitySensitivityPolicyType: DEMO DOB GENDER LIVARG MARST PATLOC RACE REL
    _RoleInformationSensitivityPolicy: B EMPL LOCIS SSP
    COMPT: ACOCOMPT CDSSCOMPT CTCOMPT FMCOMPT HRCOMPT LRCOMPT PACOMPT RESCOMPT RMGTCOMPT
""")
KNOWN_SENSITIVITIES = SENSITIVITIES.keys() | SENSITIVITIES.values()
HANDLING = frozenset(  # v3-ActCode's obligations and refrains: how to handle, not how sensitive
    """
    ANONY AOD AUDIT AUDTR CPLYCC CPLYCD CPLYCUI CPLYJPP CPLYJSP CPLYOPP CPLYOSP CPLYPOL DECLASSIFYLABEL DEID DELAU DOWNGRDLABEL DRIVLABEL
    ENCRYPT ENCRYPTR ENCRYPTT ENCRYPTU HUAPRV LABEL MASK MINEC PERSISTLABEL PRIVMARK PSEUD REDACT UPGRDLABEL
    NOAUTH NOCOLLECT NODSCLCD NODSCLCDS NOINTEGRATE NOLIST NOMOU NOORGPOL NOPAT NOPERSISTP NORDSCLCD NORDSCLCDS NORDSCLW
    NORELINK NOREUSE NOVIP ORCON
    """.split()  # noqa: SIM905
)
