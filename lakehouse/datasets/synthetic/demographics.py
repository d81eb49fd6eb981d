"""Who there is: a person's truth, and what each site wrote down of it when they came."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import NamedTuple

from lakehouse.datasets.synthetic.clock import BEGIN
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.model import Address, Contact, Demographics, Registration
from lakehouse.datasets.synthetic.words.codes import RELATIONSHIPS
from lakehouse.datasets.synthetic.words.names import (
    CULTURES,
    ENDINGS,
    NICKNAMES,
    STREETS,
    TOWNS,
    Culture,
)

_WEIGHTS = [(culture.weight, culture) for culture in CULTURES]
_MARITAL = ((50, "M"), (30, "S"), (12, "D"), (8, "W"))
_TYPO_FROM = 4
_MONTHS = 12


class Past(NamedTuple):
    """What was once true of somebody, and is still written down somewhere."""

    family: str
    address: Address


def culture_of(dice: Dice) -> Culture:
    """Where somebody's names are from."""
    return dice.weighted(_WEIGHTS)


def truth_of(dice: Dice, culture: Culture, sex: str, ages: tuple[int, int]) -> Demographics:
    """A person of a sex and of an age, in years, at the beginning of the story."""
    given_names = culture.female if sex == "female" else culture.male
    given, middle = dice.pick(given_names), dice.pick(given_names)
    family = dice.pick(culture.families)
    born = BEGIN.date() - timedelta(days=dice.between(ages[0] * 365, ages[1] * 365 + 364))
    return Demographics(
        given,
        "" if middle == given or dice.chance(30) else middle,
        family,
        born,
        sex,
        f"9{dice.below(100):02}-{dice.between(10, 99)}-{dice.between(1000, 9999)}",
        address_of(dice),
        f"+1-555-{dice.between(200, 999)}-{dice.below(10000):04}",
        _email(given, family, dice.between(10, 99)),
    )


def address_of(dice: Dice) -> Address:
    """A home."""
    city, state, postal_code = dice.pick(TOWNS)
    line = f"{dice.between(1, 980)} {dice.pick(STREETS)} {dice.pick(ENDINGS)}"
    if dice.chance(25):
        line += f", Apt {dice.between(1, 40)}"
    return Address(line, city, state, postal_code)


def contact_of(dice: Dice, truth: Demographics) -> Contact:
    """A relative, mostly of the same family name."""
    culture = culture_of(dice)
    family = truth.family if dice.chance(70) else dice.pick(culture.families)
    phone = f"+1-555-{dice.between(200, 999)}-{dice.below(10000):04}"
    given = dice.pick(culture.female + culture.male)
    return Contact(given, family, dice.pick(RELATIONSHIPS), phone)


def marital_of(dice: Dice) -> str:
    """HL7 v3 MaritalStatus."""
    return dice.weighted(_MARITAL)


def nickname_of(given: str) -> str:
    """What friends say."""
    return NICKNAMES.get(given, given[:3])


def register(
    dice: Dice,
    truth: Demographics,
    past: Past,
    names: tuple[str, str, str],
    at: int,
    *,
    again: bool,
) -> Registration:
    """A site writes down who came, under `names`: site, id and record number.

    A second registration (`again`) has at least one flaw.
    """
    told, flaws = _told(dice, truth, past, must_differ=again)
    return Registration(*names, told, at, flaws, again)


def _told(
    dice: Dice, truth: Demographics, past: Past, *, must_differ: bool
) -> tuple[Demographics, tuple[str, ...]]:
    chosen = {flaw for flaw, (share, _) in _FLAWS.items() if dice.chance(share)}
    if must_differ and not chosen - {"missing_ssn", "missing_phone"}:
        chosen.add(dice.pick(FLAWS[:3]))
    told, found = truth, []
    for flaw in FLAWS:
        changed = _FLAWS[flaw][1](told, past, dice) if flaw in chosen else told
        if changed != told:
            told = changed
            found.append(flaw)
    return told, tuple(found)


def misspell(name: str, dice: Dice) -> str:
    """Two letters change places, or one is lost or doubled."""
    if len(name) < _TYPO_FROM:
        return name + name[-1]
    place = dice.between(1, len(name) - 2)
    kind = dice.below(3)
    if kind == 0:
        return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    if kind == 1:
        return name[:place] + name[place + 1 :]
    return name[:place] + name[place] + name[place:]


def _swapped(day: date) -> date:
    """Day and month change places where both can; else the year is off by one."""
    if day.day <= _MONTHS and day.day != day.month:
        return date(day.year, day.day, day.month)
    return day - timedelta(days=365)


def _email(given: str, family: str, number: int) -> str:
    """An address at a host that does not exist (RFC 2606)."""
    letters = "".join(
        c for c in f"{given}.{family}".lower() if c.isascii() and (c.isalnum() or c == ".")
    )
    return f"{letters}{number}@mail.example.org"


_Flaw = Callable[[Demographics, Past, Dice], Demographics]
# in percent of the registrations
_FLAWS: Mapping[str, tuple[int, _Flaw]] = MappingProxyType(
    {
        "typo": (6, lambda told, _, dice: replace(told, family=misspell(told.family, dice))),
        "nickname": (8, lambda told, *_: replace(told, given=nickname_of(told.given))),
        "swapped_date": (3, lambda told, *_: replace(told, born=_swapped(told.born))),
        "moved_house": (15, lambda told, past, _: replace(told, address=past.address)),
        "former_name": (4, lambda told, past, _: replace(told, family=past.family)),
        "upper_case": (
            4,
            lambda told, *_: replace(told, given=told.given.upper(), family=told.family.upper()),
        ),
        "year_only": (4, lambda told, *_: replace(told, born=date(told.born.year, 1, 1))),
        "missing_ssn": (30, lambda told, *_: replace(told, ssn=None)),
        "missing_phone": (10, lambda told, *_: replace(told, phone=None, email=None)),
    }
)
FLAWS = tuple(_FLAWS)
"""What may be wrong in the demographics of a registration."""
