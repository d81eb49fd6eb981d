"""Drugs: RxNorm where it has a code, dose, route and how often."""

from typing import NamedTuple

from lakehouse.datasets.synthetic.words.codes import RXNORM, Code


class Drug(NamedTuple):
    """A drug as it is ordered; `dose` is in whole `unit`s, `every` in hours, `route` in words."""

    code: Code
    name: str
    dose: int
    unit: str
    route: str
    every: int


def _drug(code: str, display: str, name: str, dose: tuple[int, str, str], every: int) -> Drug:
    return Drug(Code(RXNORM, code, display), name, *dose, every)


_ONE_TABLET = (1, "{tbl}", "oral")

LISINOPRIL = _drug("314076", "lisinopril 10 MG Oral Tablet", "lisinopril", _ONE_TABLET, 24)
ATORVASTATIN = _drug("259255", "atorvastatin 80 MG Oral Tablet", "atorvastatin", _ONE_TABLET, 24)
ASPIRIN = _drug("243670", "aspirin 81 MG Oral Tablet", "aspirin", _ONE_TABLET, 24)
CLOPIDOGREL = _drug("309362", "clopidogrel 75 MG Oral Tablet", "clopidogrel", _ONE_TABLET, 24)
METOPROLOL = _drug("866924", "metoprolol tartrate 25 MG Oral Tablet", "metoprolol", _ONE_TABLET, 12)
METFORMIN = _drug(
    "860975",
    "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet",
    "metformin",
    _ONE_TABLET,
    24,
)
IBUPROFEN = _drug("310965", "ibuprofen 200 MG Oral Tablet", "ibuprofen", _ONE_TABLET, 8)
ACETAMINOPHEN = _drug(
    "313782", "acetaminophen 325 MG Oral Tablet", "acetaminophen", (2, "{tbl}", "oral"), 6
)
PREDNISONE = _drug("312615", "prednisone 20 MG Oral Tablet", "prednisone", (2, "{tbl}", "oral"), 24)
AZITHROMYCIN = _drug("308460", "azithromycin 250 MG Oral Tablet", "azithromycin", _ONE_TABLET, 24)
AMOXICILLIN = _drug("308192", "amoxicillin 500 MG Oral Tablet", "amoxicillin", _ONE_TABLET, 8)
CEFTRIAXONE = _drug(
    "1665005", "ceftriaxone 500 MG Injection", "ceftriaxone", (1000, "mg", "intravenous"), 24
)
PIPERACILLIN = _drug(
    "1659149",
    "piperacillin 4000 MG / tazobactam 500 MG Injection",
    "piperacillin and tazobactam",
    (4500, "mg", "intravenous"),
    8,
)
ALBUTEROL = _drug(
    "2123111",
    "NDA020503 200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler",
    "albuterol",
    (2, "{puff}", "inhalation"),
    6,
)
FLUTICASONE = _drug(
    "895994",
    "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler",
    "fluticasone",
    (2, "{puff}", "inhalation"),
    12,
)
