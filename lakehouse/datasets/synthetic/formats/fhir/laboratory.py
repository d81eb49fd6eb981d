"""A battery: what was ordered, the specimen, each result with its versions, and the report."""

from functools import partial

from lakehouse.datasets.synthetic.changes import (
    CUT_LINE,
    PANEL_DUPLICATED,
    RESULT_CORRECTED,
    UNCODED,
)
from lakehouse.datasets.synthetic.formats.fhir.sink import Sink, Version
from lakehouse.datasets.synthetic.formats.fhir.terms import (
    LABORATORY,
    Body,
    concept,
    identifier_type,
    placer,
    quantity,
    term,
)
from lakehouse.datasets.synthetic.laboratory import told as judged
from lakehouse.datasets.synthetic.model import Change, Encounter, Panel, Person, Result
from lakehouse.datasets.synthetic.words.codes import SNOMED, Code
from lakehouse.datasets.synthetic.words.labs import Analyte

_SPECIMENS = {
    "blood": Code(SNOMED, "119297000", "Blood specimen (specimen)"),
    "arterial": Code(SNOMED, "122552005", "Arterial blood specimen (specimen)"),
    "urine": Code(SNOMED, "122575003", "Urine specimen (specimen)"),
}
_FLAGS = {
    "N": "Normal",
    "L": "Low",
    "H": "High",
    "LL": "Critical low",
    "HH": "Critical high",
    "A": "Abnormal",
}
_REPORT = [term("v2-0074", "LAB", "Laboratory")]
_ORDER = concept(Code(SNOMED, "108252007", "Laboratory procedure (procedure)"))
_ABSENT = {"error": "Error"}


def write(sink: Sink, _: Person, told: Encounter, changes: dict[str, Change]) -> None:
    """All batteries of an encounter."""
    for panel in told.panels:
        _write_order(sink, told, panel)
        common = _common(sink, told, panel)
        for result in panel.results:
            change = changes.get(result.id)
            if change is None and panel.preliminary_at is None:
                body = _result(common, result, "final")
                sink.put("Observation", result.id, body, panel.resulted)
            else:
                _write_versions(sink, common, panel, result, change)
        _write_report(sink, told, panel, panel.id)
        change = changes.get(panel.id)
        if change is not None and change.kind == PANEL_DUPLICATED:
            _write_copy(sink, told, panel, change)


def _write_order(sink: Sink, told: Encounter, panel: Panel) -> None:
    order: Body = {
        "identifier": [placer(sink.base, panel.placer)],
        "status": "completed",
        "intent": "order",
        "category": [_ORDER],
        "priority": "stat" if panel.is_urgent else "routine",
        "code": concept(panel.battery.code),
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "authoredOn": sink.time(panel.ordered),
        "requester": sink.practitioner(told.attending),
        "performer": [{"identifier": {"system": f"{sink.base}/organization", "value": "hospital"}}],
    }
    sink.put("ServiceRequest", panel.id, order, panel.ordered + 1)
    specimen: Body = {
        "accessionIdentifier": {"system": f"{sink.base}/accession", "value": panel.filler},
        "status": "available",
        "type": concept(_SPECIMENS[panel.battery.specimen]),
        "subject": sink.subject,
        "receivedTime": sink.time(panel.collected + 12),
        "request": [{"reference": f"ServiceRequest/{panel.id}"}],
        "collection": {"collectedDateTime": sink.time(panel.collected)},
    }
    sink.put("Specimen", panel.id, specimen, panel.collected + 12)


def _write_versions(
    sink: Sink, common: Body, panel: Panel, result: Result, change: Change | None
) -> None:
    make = partial(_result, common)
    versions: list[Version] = []
    if panel.preliminary_at is not None and (result.preliminary is not None or result.text):
        early = _early(result)
        versions.append((panel.preliminary_at, partial(make, early, "preliminary")))
    kind = None if change is None else change.kind
    if change is not None and kind == RESULT_CORRECTED and change.value is not None:
        wrong = judged(result.id, result.analyte, change.value)
        versions.append((panel.resulted, partial(make, wrong, "final")))
        versions.append((change.at, partial(make, result, "corrected")))
    else:
        versions.append((panel.resulted, partial(make, result, "final")))
    sink.put_versions("Observation", result.id, versions)
    if change is None or kind not in (UNCODED, CUT_LINE):
        return
    body, number = make(result, "final"), len(versions)
    if kind == UNCODED:
        bare = {name: value for name, value in body.items() if name != "code"}
        sink.late(2, "Observation", result.id, bare, (change.at, number + 1))
    else:
        sink.cut(2, "Observation", result.id, body, (change.at, number + 1))
    sink.late(3, "Observation", result.id, body, (change.at + 1440, number + 2))


def _early(result: Result) -> Result:
    if result.text:
        return Result(result.id, result.analyte, None, flag="N", text="No growth to date")
    return judged(result.id, result.analyte, result.preliminary or 0)


def _common(sink: Sink, told: Encounter, panel: Panel) -> Body:
    """What all results of a battery say."""
    return {
        "basedOn": [{"reference": f"ServiceRequest/{panel.id}"}],
        "category": LABORATORY,
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "effectiveDateTime": sink.time(panel.collected),
        "issued": sink.time(panel.resulted),
        "performer": [{"reference": "Organization/hospital"}],
        "specimen": {"reference": f"Specimen/{panel.id}"},
    }


def _result(common: Body, result: Result, status: str) -> Body:
    analyte = result.analyte
    body: Body = {**common, "status": status, "code": concept(analyte.code)}
    if result.value is not None:
        body["valueQuantity"] = quantity(result.value, analyte.parts, analyte.unit)
        if result.comparator:
            body["valueQuantity"]["comparator"] = result.comparator
    elif result.text:
        body["valueString"] = result.text
    else:
        why = result.absent
        body["dataAbsentReason"] = term("data-absent-reason", why, _ABSENT[why])
    if result.flag:
        flag = result.flag
        body["interpretation"] = [term("v3-ObservationInterpretation", flag, _FLAGS[flag])]
    if analyte.unit:
        body["referenceRange"] = _range(analyte.name, analyte)
    return body


_RANGES: dict[str, list[Body]] = {}


def _range(name: str, analyte: Analyte) -> list[Body]:
    if name not in _RANGES:
        low, high = (
            quantity(bound, analyte.parts, analyte.unit) for bound in (analyte.low, analyte.high)
        )
        text = f"{low['value']} to {high['value']} {analyte.unit}"
        _RANGES[name] = [{"low": low, "high": high, "text": text}]
    return _RANGES[name]


def _write_report(sink: Sink, told: Encounter, panel: Panel, identity: str) -> None:
    body: Body = {
        "identifier": [
            {
                "type": identifier_type("FILL", "Filler Identifier"),
                "system": f"{sink.base}/accession",
                "value": panel.filler,
            }
        ],
        "basedOn": [{"reference": f"ServiceRequest/{panel.id}"}],
        "status": "final",
        "category": _REPORT,
        "code": concept(panel.battery.code),
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "effectiveDateTime": sink.time(panel.collected),
        "issued": sink.time(panel.resulted),
        "performer": [{"reference": "Organization/hospital"}],
        "specimen": [{"reference": f"Specimen/{panel.id}"}],
        "result": [
            {"reference": f"Observation/{identity}-{place}"}
            for place in range(1, len(panel.results) + 1)
        ],
    }
    sink.put("DiagnosticReport", identity, body, panel.resulted + 2)


def _write_copy(sink: Sink, told: Encounter, panel: Panel, change: Change) -> None:
    """An interface wrote all of it twice, under other ids."""
    common = _common(sink, told, panel)
    for place, result in enumerate(panel.results, 1):
        body = _result(common, result, "final")
        sink.put("Observation", f"{change.other}-{place}", body, change.at)
    _write_report(sink, told, panel, change.other)
