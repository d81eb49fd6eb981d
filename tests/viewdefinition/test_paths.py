"""FHIRPath as the standard has it: three-valued logic, numbers, dates and times, boundaries, keys, texts."""

from decimal import Decimal

import pytest

from lakehouse.errors import SpecError
from lakehouse.viewdefinition.compiler import compile_view
from tests.viewdefinition.asking import ask, column, observation, patient, view

TRUE, FALSE, EMPTY = "true", "false", "deceased.ofType(boolean)"
Y, N = True, False

# operands, then and, or, xor, implies (FHIRPath N1 2.0 §6.5)
LOGIC = [
    (TRUE, TRUE, Y, Y, N, Y),
    (TRUE, FALSE, N, Y, Y, N),
    (TRUE, EMPTY, None, Y, None, None),
    (FALSE, TRUE, N, Y, Y, Y),
    (FALSE, FALSE, N, N, N, Y),
    (FALSE, EMPTY, N, None, None, Y),
    (EMPTY, TRUE, None, Y, None, Y),
    (EMPTY, FALSE, N, None, None, None),
    (EMPTY, EMPTY, None, None, None, None),
]


@pytest.mark.parametrize(("one", "other", "both", "either", "odd", "follows"), LOGIC)
def test_logic_has_three_values(
    one: str, other: str, both: bool, either: bool, odd: bool, follows: bool
) -> None:
    found = [ask(f"{one} {sign} {other}")[0] for sign in ("and", "or", "xor", "implies")]
    assert found == [both, either, odd, follows]


# path, and its value over one empty patient
VALUES = [
    ("true.not()", False), ("deceased.ofType(boolean).not()", None), ("active.exists()", False),
    ("98.60 * 2", 197.2), ("1000.5 * -1000.5", -1001000.25), ("9999999999.0 + 9999999999.0", 19999999998.0),
    ("9999999999.0 * 9999999999.0", 9.999999998e19), ("10000000000.5 * 2", 20000000001.0),
    ("0.1 + 0.2 = 0.3", True), ("1.1 * 1.1 = 1.21", True), ("0.3 - 0.1 = 0.2", True), ("1 / 4", 0.25),
    ("1 / 0", None), ("7 div 2", 3), ("-7 div 2", -3), ("7 mod 3", 1), ("1 div 0", None), ("2 + 3 * 4", 14),
    ("(2 + 3) * 4", 20), ("2 < 10", True), ("1.50 = 1.5", True), ("1 = 1.0", True), ("-1 < 0", True),
    ("'a' < 'b'", True), ("'a' + 'b'", "ab"), ("'a' & gender", "a"), ("'a' + gender", None),
    ("'it\\'s \"q\" `b` \\u00e4'", "it's \"q\" `b` ä"), ("'a''b'", SpecError), ("'--' & '/*'", "--/*"),
    # dates and times: by parts, empty where one ends first
    ("@2012 = @2012-01", None), ("@2012 < @2013-01", True), ("@2012-01-02 > @2012-01-01", True),
    ("@2012-01-01T10:00:00Z = @2012-01-01T11:00:00+01:00", True),
    ("@2012-01-01T23:30:00-05:00 > @2012-01-02T00:00:00Z", True),
    ("@2012-01-01T10:00:00.0Z = @2012-01-01T10:00:00Z", True),
    ("@2012-01-01T10:00:00.5Z > @2012-01-01T10:00:00Z", True),
    ("@2016-12-31T23:59:60Z < @2017-01-01T00:00:00Z", True), ("@2016-12-31T23:59:60Z > @2016-12-31T23:59:59Z", True),
    # an offset against none: only where no offset could change the answer
    ("@2012-01-01 < @2012-01-05T10:00:00Z", True), ("@2012-01-01 = @2012-01-01T10:00:00Z", None),
    ("@2012-01-02 > @2012-01-01T20:00:00Z", None), ("@2012-01-05T10:00:00 > @2012-01-01T10:00:00Z", True),
    ("@T10:00 < @T10:00:30", None), ("@T10:00:00.5 > @T10:00:00", True), ("@T09:59 < @T10:00", True),
    ("@T10:00:00.50 = @T10:00:00.5", True), ("@T10 = @T10", True),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), VALUES)
def test_a_path_has_the_value_that_the_standard_says(path: str, value: object) -> None:
    if value is SpecError:
        with pytest.raises(SpecError):
            ask(path)
        return
    assert ask(path) == [value]


# FHIRPath's lowBoundary and highBoundary, at the greatest precision and at a given one
BOUNDARIES = [
    ("1.587", "", 1.5865, 1.5875), ("1.587", "2", 1.58, 1.59), ("(-1.587)", "", -1.5875, -1.5865),
    ("(-1.587)", "2", -1.59, -1.58), ("1", "", 0.5, 1.5), ("1", "0", 0.0, 2.0), ("12.500", "4", 12.4995, 12.5005),
    ("120", "2", 119.5, 120.5), ("0.0034", "1", 0.0, 0.1), ("1.0", "", 0.95, 1.05), ("1.0", "(-1)", None, None),
    ("1.0", "40", None, None),
    ("@2014", "", "2014-01-01", "2014-12-31"), ("@2014", "6", "2014-01", "2014-12"),
    ("@2012-02", "", "2012-02-01", "2012-02-29"), ("@2014-02", "8", "2014-02-01", "2014-02-28"),
    ("@2014-05-17", "4", "2014", "2014"), ("@2014", "5", None, None),
    ("@2014-01-01T08", "", "2014-01-01T08:00:00.000+14:00", "2014-01-01T08:59:59.999-12:00"),
    ("@2014-01-01T08:05+08:00", "17", "2014-01-01T08:05:00.000+08:00", "2014-01-01T08:05:59.999+08:00"),
    ("@2014-01-01T08:05Z", "12", "2014-01-01T08:05Z", "2014-01-01T08:05Z"),
    ("@2014-01-01T08:05Z", "8", "2014-01-01", "2014-01-01"),
    ("@2014-01-01T08:05:05.25Z", "", "2014-01-01T08:05:05.250Z", "2014-01-01T08:05:05.259Z"),
    ("@T10:30", "", "10:30:00.000", "10:30:59.999"), ("@T10", "4", "10:00", "10:59"),
    ("@T10:30:15", "2", "10", "10"), ("@T10:30", "9", "10:30:00.000", "10:30:59.999"), ("@T10", "3", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "digits", "low", "high"), BOUNDARIES)
def test_boundaries_are_the_least_and_the_greatest(
    value: str, digits: str, low: object, high: object
) -> None:
    assert ask(f"{value}.lowBoundary({digits})") == [low]
    assert ask(f"{value}.highBoundary({digits})") == [high]


def test_boundaries_and_texts_keep_the_digits_that_were_sent() -> None:
    path = "value.ofType(Quantity).value"
    for number, low, text in [
        ("1.50", 1.495, "1.50"),
        ("1.5", 1.45, "1.5"),
        ("100", 99.5, "100"),
        ("1E+2", 99.5, "1E+2"),
    ]:
        quantity = {"unit": '"value": 1.0', "value": Decimal(number)}
        resource = observation(valueQuantity=quantity)
        assert ask(f"{path}.lowBoundary()", resource) == [low]
        assert ask(path, resource, type="string") == [text]
        assert ask(path, resource) == [float(number)]


REFERENCES = [
    ("Patient/7", "7"), ("https://ehr.example/fhir/Patient/7", "7"), ("Patient/7/_history/2", "7"),
    ("urn:uuid:7", None), ("#7", None), ("Patient?identifier=7", None), ("Group/7", None), ("", None), ("Patient/", None),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "key"), REFERENCES)
def test_a_reference_gives_the_key_of_what_it_names_by_id(reference: str, key: str | None) -> None:
    resource = observation(subject={"reference": reference})
    assert ask("subject.getReferenceKey(Patient)", resource) == [key]
    assert ask("subject.getReferenceKey(Group)", resource) == [
        "7" if reference == "Group/7" else None
    ]


BESIDE = patient(
    birthDate="1970-05-17",
    _birthDate={"extension": [{"url": "time", "valueDateTime": "1970-05-17T08:00:00Z"}]},
    name=[
        {
            "given": ["a", "b"],
            "_given": [None, {"extension": [{"url": "note", "valueString": "n"}]}],
        }
    ],
)


def test_a_primitive_has_extensions_beside_it() -> None:
    assert ask("birthDate.extension('time').value.ofType(dateTime).first()", BESIDE) == [
        "1970-05-17T08:00:00Z"
    ]
    assert ask("name.given.extension('note').value.ofType(string)", BESIDE, collection=True) == [
        ["n"]
    ]


CONSTANTS = [
    {"name": "hostile", "valueString": "'); drop table x; --"},
    {"name": "w", "valueString": 'a"b`\\'},
]


def test_a_constant_is_a_value_whatever_it_holds() -> None:
    told = [patient(gender="'); drop table x; --"), patient(gender="male")]
    found = compile_view(view("Patient", column("v", "gender = %hostile"), constant=CONSTANTS))
    assert "drop table" in found.sql
    from lakehouse.transform.views import evaluate

    rows = evaluate(
        view("Patient", column("v", "gender = %hostile"), column("w", "%w"), constant=CONSTANTS),
        told,
    )
    assert rows.to_pylist() == [{"v": True, "w": 'a"b`\\'}, {"v": False, "w": 'a"b`\\'}]


# path, the character that is named, and a part of what is said
WRONG = [
    ("valueString", 1, "write value.ofType(string)"), ("value", 1, "parts"), ("code", 1, "parts"),
    ("nothing", 1, "has no element nothing"), ("code.coding.where(code = 5).exists()", 24, "has no meaning"),
    ("issued.foo()", 8, "foo is not supported"), ("1 +", 4, "ends too early"), ("code.coding.where(code)", 13, "condition"),
    ("issued = '2012'", 8, "@2020-01-31"), ("subject.getReferenceKey(Nobody)", 9, "not a type of resource"),
    ("value.ofType(Reference)", 7, "never of type"), ("%nobody", 1, "no constant"), ("status | code", 8, "not supported"),
    ("value is Quantity", 7, "not supported"), ("$index", 1, "not supported"), ("code.exists(", 13, "ends too early"),
    ("'\\u0000'", 1, "NUL"), ("@@", 1, "no FHIRPath"), ("9999999999999999999", 1, "too large"),
    ("(" * 200 + "1" + ")" * 200, 101, "deeper"), ("code.getResourceKey()", 6, "resource of the view"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "at", "said"), WRONG, ids=lambda told: str(told)[:30])
def test_what_cannot_be_compiled_names_column_path_and_character(
    path: str, at: int, said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        compile_view(view("Observation", column("v", path)))
    assert "column v" in str(caught.value)
    assert path in str(caught.value)
    assert f"character {at})" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ['a"b', "a'b", "1a", "", "a b", "a-b", "ä", "a;b", None, 5])
def test_a_name_that_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(SpecError):
        compile_view(view("Patient", {"name": name, "path": "id"}))


# the numbers of some components as sent; a criterion; the first that passes, as a boundary and as text
CRITERIA = [
    (["100.4", "7.50"], "$this != 100", 100.45, "100.4"),
    (["100.0", "7.50"], "$this != 100", 7.505, "7.50"),
    (["100.0", "7.50"], "$this = 7.5", 7.505, "7.50"),
    (["12345678901234567890.5"], "$this > 100", 12345678901234567890.55, "12345678901234567890.5"),
    (["1e400", "1"], "$this = 1", 1.5, "1"),
    (["9", "10"], "$this > 9", 10.5, "10"),
    (["9"], "$this > 9", None, None),
]


@pytest.mark.parametrize(("numbers", "criterion", "high", "text"), CRITERIA)
def test_a_number_kept_as_sent_is_compared_as_a_number(
    numbers: list[str], criterion: str, high: float | None, text: str | None
) -> None:
    told = [{"valueQuantity": {"value": Decimal(number)}} for number in numbers]
    path = f"component.value.ofType(Quantity).value.where({criterion}).first()"
    asked = observation(component=told)
    assert ask(f"{path}.highBoundary()", asked) == [high]
    assert ask(path, asked, type="string") == [text]
