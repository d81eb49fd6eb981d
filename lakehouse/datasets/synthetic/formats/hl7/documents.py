"""MDM^T02: a note and its text (chapter 9). No name stands in the text: notes have those."""

from lakehouse.datasets.synthetic.formats.hl7.segments import Message, Words, escape
from lakehouse.datasets.synthetic.model import Document, Encounter

NOTE = "MDM^T02^MDM_T02"

# table 0270, and a title
_KINDS = {
    "admission": ("HP", "Admission note"),
    "progress": ("PN", "Progress note"),
    "discharge": ("DS", "Discharge summary"),
    "visit": ("CN", "Visit note"),
    "operative": ("OP", "Operative note"),
}
_GONE = {
    "home": "Discharged home.",
    "exp": "The patient died.",
    "aadvice": "Left against advice.",
    "other-hcf": "Transferred to another hospital.",
    "snf": "Discharged to a nursing facility.",
    "rehab": "Discharged to rehabilitation.",
}
_TYPED = 12


def note(words: Words, header: str, told: Encounter, one: Document, patient: str) -> Message | None:
    """The message about a note, or nothing for a report: radiology sends its own."""
    if one.kind not in _KINDS:
        return None
    kind, title = _KINDS[one.kind]
    author = words.staff[one.author]
    written, at = words.stamp(one.minute), one.minute + _TYPED
    typed = words.stamp(at)
    body = (
        f"EVN|T02|{typed}\r{header}"
        f"TXA|1|{kind}|TX|{written}|{author}||{typed}||{author}|||{one.id}^{words.facility}"
        f"|||||AU||AV\r"
        f"OBX|1|TX|{kind}^{title}^HL70270||{_text(words, told, one, title)}||||||F\r"
    )
    return Message(at, NOTE, body, patient, told.id)


def _text(words: Words, told: Encounter, one: Document, title: str) -> str:
    lines = [escape(title), f"Reason: {escape(told.reason.display)}."]
    known = [escape(found.code.display) for found in told.diagnoses if found.recorded <= one.minute]
    if known:
        lines.append(f"Assessment: {'; '.join(known)}.")
    lines += [
        f"{found.drug.name} {found.drug.dose} {found.drug.unit} {found.drug.route}"
        for found in told.medications
        if found.ordered <= one.minute
    ]
    if one.kind == "discharge":
        lines.append(_GONE[told.disposition])
    return words.line_break.join(lines)
