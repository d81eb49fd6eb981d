"""What the laboratory finds in a sample."""

from collections.abc import Mapping

from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.model import Panel, Result
from lakehouse.datasets.synthetic.words.labs import Analyte, Battery

_SPOILED = 12
_REVISED = 8


def panel(
    dice: Dice,
    battery: Battery,
    names: tuple[str, str],
    ordered: int,
    shifts: Mapping[str, int],
    *,
    is_urgent: bool,
) -> Panel:
    """A battery from its order to its results; `names` are its id and the number of its forms."""
    identity, number = names
    collected = ordered + dice.between(4, 15 if is_urgent else 60)
    takes = 2 * 24 * 60 if not battery.analytes[0].unit and battery.specimen == "blood" else 0
    resulted = collected + takes + dice.between(25, 60 if is_urgent else 240)
    results = tuple(
        _result(dice, analyte, f"{identity}-{place}", shifts)
        for place, analyte in enumerate(battery.analytes, 1)
    )
    if battery.analytes[-1].name == "Platelets":
        results = _agreeing(dice, results)
    is_early = takes > 0 or (is_urgent and dice.chance(_REVISED))
    return Panel(
        identity,
        battery,
        f"O{number}",
        f"L{number}",
        ordered,
        collected,
        resulted,
        _revised(dice, results) if is_early else results,
        is_urgent,
        collected + 15 + takes // 2 if is_early else None,
    )


def told(identity: str, analyte: Analyte, value: int) -> Result:
    """A value as the instrument tells it: within its limits, and judged."""
    least, most = analyte.limits
    if value < least:
        return Result(identity, analyte, least, "<", flag_of(analyte, least - 1))
    if value > most:
        return Result(identity, analyte, most, ">", flag_of(analyte, most + 1))
    return Result(identity, analyte, value, "", flag_of(analyte, value))


def flag_of(analyte: Analyte, value: int) -> str:
    """HL7 table 0078: critically low or high, low or high, or normal."""
    if value < analyte.low:
        return "LL" if value <= analyte.critical[0] else "L"
    if value > analyte.high:
        return "HH" if value >= analyte.critical[1] else "H"
    return "N"


def _result(dice: Dice, analyte: Analyte, identity: str, shifts: Mapping[str, int]) -> Result:
    shift = shifts.get(analyte.name, 0)
    if not analyte.unit:
        return _worded(dice, analyte, identity, shift)
    if dice.below(1000) < _SPOILED:
        return Result(identity, analyte, None, flag="", absent="error")
    return told(identity, analyte, dice.about(analyte.middle + shift, analyte.deviation))


def _worded(dice: Dice, analyte: Analyte, identity: str, shift: int) -> Result:
    match analyte.name:
        case "ABO group":
            return Result(
                identity,
                analyte,
                None,
                text=dice.weighted(((45, "O"), (40, "A"), (11, "B"), (4, "AB"))),
            )
        case "Rh type":
            return Result(
                identity, analyte, None, text="Positive" if dice.chance(85) else "Negative"
            )
        case "Urine ketones":
            is_found = dice.chance(max(4, shift))
            return Result(
                identity,
                analyte,
                None,
                flag="A" if is_found else "N",
                text="1+" if is_found else "Negative",
            )
    is_grown = dice.chance(shift)
    grown = "Streptococcus pneumoniae" if is_grown else "No growth after 5 days"
    return Result(identity, analyte, None, flag="A" if is_grown else "N", text=grown)


def _agreeing(dice: Dice, results: tuple[Result, ...]) -> tuple[Result, ...]:
    """The haematocrit is about three times the haemoglobin."""
    white, haemoglobin, haematocrit, platelets = results
    if haemoglobin.value is None or haematocrit.value is None:
        return results
    value = haemoglobin.value * 3 + dice.about(0, 6)
    return white, haemoglobin, told(haematocrit.id, haematocrit.analyte, value), platelets


def _revised(dice: Dice, results: tuple[Result, ...]) -> tuple[Result, ...]:
    """Before the final value there was another."""
    return tuple(
        Result(
            found.id,
            found.analyte,
            found.value,
            found.comparator,
            found.flag,
            found.text,
            found.absent,
            found.value + dice.between(1, 3),
        )
        if found.value is not None and not found.comparator
        else found
        for found in results
    )
