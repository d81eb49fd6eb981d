"""Pictures: the order, the study with its series, and the report."""

import base64
from hashlib import sha1

from lakehouse.datasets.synthetic.formats.fhir.sink import Sink
from lakehouse.datasets.synthetic.formats.fhir.terms import (
    Body,
    concept,
    identifier_type,
    placer,
    term,
)
from lakehouse.datasets.synthetic.model import Change, Encounter, Imaging, Person, Series
from lakehouse.datasets.synthetic.words.codes import SNOMED, Code

_IMAGING = concept(Code(SNOMED, "363679005", "Imaging (procedure)"))
_SOP = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"


def write(sink: Sink, _: Person, told: Encounter, changes: dict[str, Change]) -> None:
    """All examinations of an encounter."""
    del changes  # nothing of this is corrected later
    for image in told.imaging:
        _write_order(sink, told, image)
        sink.put("ImagingStudy", image.id, _study(sink, told, image), image.performed + 10)
        sink.put("DiagnosticReport", image.id, _report(sink, told, image), image.reported)


def _write_order(sink: Sink, told: Encounter, image: Imaging) -> None:
    examination = image.examination
    order: Body = {
        "identifier": [placer(sink.base, image.placer)],
        "status": "completed",
        "intent": "order",
        "category": [_IMAGING],
        "code": concept(examination.code),
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "occurrenceDateTime": sink.time(image.performed),
        "authoredOn": sink.time(image.ordered),
        "requester": sink.practitioner(told.attending),
        "reasonCode": [concept(told.reason)],
    }
    sink.put("ServiceRequest", image.id, order, image.ordered + 1)


def _report(sink: Sink, told: Encounter, image: Imaging) -> Body:
    report: Body = {
        "identifier": [{"system": f"{sink.base}/accession", "value": image.accession}],
        "basedOn": [{"reference": f"ServiceRequest/{image.id}"}],
        "status": "final",
        "category": [term("v2-0074", "RAD", "Radiology")],
        "code": concept(image.examination.code),
        # some servers name the server too
        "subject": {"reference": f"{sink.base}/{sink.subject['reference']}"},
        "encounter": {"reference": f"{sink.base}/Encounter/{told.id}"},
        "effectiveDateTime": sink.time(image.performed),
        "issued": sink.time(image.reported),
        "resultsInterpreter": [sink.practitioner(image.radiologist)],
        "imagingStudy": [{"reference": f"ImagingStudy/{image.id}"}],
        "conclusion": image.finding.impression,
        "presentedForm": [attachment(report_text(image))],
    }
    if image.finding.lesion is not None:
        report["conclusionCode"] = [concept(image.finding.lesion)]
    return report


def _study(sink: Sink, told: Encounter, image: Imaging) -> Body:
    examination = image.examination
    modality = {"system": _DICOM, "code": examination.modality}
    site = {"system": SNOMED, "code": examination.site.code, "display": examination.site.display}
    return {
        "identifier": [
            {"system": "urn:dicom:uid", "value": f"urn:oid:{image.study_uid}"},
            {
                "type": identifier_type("ACSN", "Accession ID"),
                "system": f"{sink.base}/accession",
                "value": image.accession,
            },
        ],
        "status": "available",
        "modality": [modality],
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "started": sink.time(image.performed),
        "basedOn": [{"reference": f"ServiceRequest/{image.id}"}],
        "numberOfSeries": len(image.series),
        "numberOfInstances": sum(one.n_instances for one in image.series),
        "procedureCode": [concept(examination.code)],
        "description": examination.name,
        "series": [_series(one, modality, site) for one in image.series],
    }


def _series(one: Series, modality: Body, site: Body) -> Body:
    kind = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{_SOP[one.modality]}"}
    return {
        "uid": one.uid,
        "number": one.number,
        "modality": modality,
        "description": one.description,
        "numberOfInstances": one.n_instances,
        "bodySite": site,
        "instance": [
            {"uid": one.instance_uid(number), "sopClass": kind, "number": number}
            for number in range(1, one.n_instances + 1)
        ],
    }


def report_text(image: Imaging) -> str:
    """What the radiologist wrote; it names nobody."""
    finding = image.finding
    found = f"Findings: {finding.findings}\n\nImpression: {finding.impression}"
    return f"{image.examination.name}\n\n{found}\n"


def attachment(text: str) -> Body:
    """A plain text within the resource, with its size and SHA-1 (FHIR R4 Attachment)."""
    content = text.encode()
    return {
        "contentType": "text/plain; charset=utf-8",
        "language": "en-US",
        "data": base64.b64encode(content).decode(),
        "size": len(content),
        "hash": base64.b64encode(sha1(content, usedforsecurity=False).digest()).decode(),
    }
