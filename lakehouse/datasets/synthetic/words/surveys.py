"""Questionnaires that patients fill in."""

from typing import NamedTuple

from lakehouse.datasets.synthetic.words.codes import LOINC, Code


class Questionnaire(NamedTuple):
    """Questions that are each answered with a whole number from 0 to `most`; the total is their sum."""

    url: str
    code: Code
    total: Code
    questions: tuple[tuple[str, str], ...]
    """LOINC code and text."""
    answers: tuple[tuple[str, str], ...]
    """LOINC answer code and text, by the number that they count."""


PHQ9 = Questionnaire(
    "https://synthetic.example.org/fhir/Questionnaire/phq-9",
    Code(LOINC, "44249-1", "PHQ-9 quick depression assessment panel [Reported.PHQ]"),
    Code(LOINC, "44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]"),
    (
        ("44250-9", "Little interest or pleasure in doing things"),
        ("44255-8", "Feeling down, depressed, or hopeless"),
        ("44259-0", "Trouble falling or staying asleep, or sleeping too much"),
        ("44254-1", "Feeling tired or having little energy"),
        ("44251-7", "Poor appetite or overeating"),
        ("44258-2", "Feeling bad about yourself"),
        ("44252-5", "Trouble concentrating on things"),
        ("44253-3", "Moving or speaking slowly, or being restless"),
        ("44260-8", "Thoughts of being better off dead"),
    ),
    (
        ("LA6568-5", "Not at all"),
        ("LA6569-3", "Several days"),
        ("LA6570-1", "More than half the days"),
        ("LA6571-9", "Nearly every day"),
    ),
)
