"""The people of the synthetic hospitals: each follows from the seed and their number alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from lakehouse.datasets.synthetic import demographics
from lakehouse.datasets.synthetic.changes import changes_of
from lakehouse.datasets.synthetic.clock import BEGIN, END
from lakehouse.datasets.synthetic.demographics import Past
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.life import Life
from lakehouse.datasets.synthetic.model import Encounter, Person, Registration
from lakehouse.datasets.synthetic.sites import Site, site_of
from lakehouse.datasets.synthetic.story import Module, tell, turns
from lakehouse.datasets.synthetic.words.codes import HISPANIC, NOT_HISPANIC, RACES
from lakehouse.datasets.synthetic.words.names import PAYERS, Culture
from lakehouse.errors import SpecError

_RACES = {code.code: code for _, code in RACES}
_MOST = 900_000
_WOMEN = 52
_NEAR = 60


@dataclass(frozen=True)
class Population:
    """So many people of a seed and the sites that they go to; `defects` of 10,000 people have one.

    Raises SpecError for a number of people or of defects that cannot be, and for two sites of
    one name.
    """

    patients: int
    seed: int
    sites: tuple[Site, ...] = field(default_factory=lambda: sites_of("north,south"))
    defects: int = 500
    pixels: str = "small"
    """`small` or `full`: the size of the matrices of images."""

    def __post_init__(self) -> None:
        if not 1 <= self.patients <= _MOST:
            raise SpecError(f"a synthetic hospital has 1 to {_MOST} patients")
        if not 0 <= self.defects <= 10_000:
            raise SpecError("the rate of defects is from 0 to 1")

    def people(self) -> Iterator[Person]:
        """Everybody, one after the other; nobody is kept."""
        return (self.person(number) for number in range(1, self.patients + 1))

    def site(self, name: str) -> Site:
        """A site by its name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Site]:
        return {site.name: site for site in self.sites}

    def person(self, number: int) -> Person:
        """One person, from 1 to `patients`, without the others."""
        module, ordinal = _turn(number)
        dice = Dice.of("person", self.seed, number)
        life, known = self._lived(number, module, ordinal, dice)
        culture, past = known.culture, known.past
        registrations = self._registered(life, dice.at("registration"), past)
        changes = changes_of(
            dice.at("changes"),
            number,
            registrations,
            life.encounters,
            self.defects,
            self._neighbour(life),
        )
        return Person(
            number=number,
            id=f"{self.seed}-{number}",
            key=dice.number(128).to_bytes(16, "big"),
            module=module.name,
            truth=life.truth,
            nickname=demographics.nickname_of(life.truth.given),
            former_family=past.family,
            former_address=past.address,
            race=_RACES[culture.race],
            ethnicity=HISPANIC if culture.is_hispanic else NOT_HISPANIC,
            language=culture.language,
            marital=demographics.marital_of(dice),
            insurance_number=f"HTEST{dice.below(10**9):09}",
            payer=dice.below(len(PAYERS)),
            contact=demographics.contact_of(dice, life.truth),
            height=life.height,
            weight=life.weight,
            smoking=life.smoking,
            died=life.died,
            registrations=registrations,
            encounters=tuple(life.encounters),
            changes=tuple(changes),
        )

    def homes(self, number: int) -> tuple[Site, ...]:
        """The sites a person goes to: where the main story happens, then the other, if any."""
        count, cycle = len(self.sites), len(turns())
        home = (number + (number - 1) // cycle * (cycle % count == 0)) % count
        if count > 1 and (number % 7 == 3 or number % 9 == 4):
            return self.sites[home], self.sites[(home + 1) % count]
        return (self.sites[home],)

    def _lived(
        self, number: int, module: Module, ordinal: int, dice: Dice
    ) -> "tuple[Life, _Known]":
        culture = demographics.culture_of(dice)
        sex = module.sex or ("female" if dice.chance(_WOMEN) else "male")
        truth = demographics.truth_of(dice, culture, sex, module.ages)
        past = Past(dice.pick(culture.families), demographics.address_of(dice))
        age = _age(truth.born.toordinal())
        life = Life(number, dice.at("life"), truth, age, self.homes(number), ordinal)
        life.has_duplicate = number % 11 == 5 and len(life.sites) == 1
        tell(life, module)
        life.encounters = _settled(life)
        return life, _Known(culture, past)

    def _registered(self, life: Life, dice: Dice, past: Past) -> tuple[Registration, ...]:
        found: dict[tuple[str, str], int] = {}
        for encounter in life.encounters:
            found.setdefault((encounter.site, encounter.patient), encounter.start - 60)
        told = []
        for (name, identity), at in found.items():
            site = self.site(name)
            again = identity == site.patient_id(life.number, again=True)
            names = (name, identity, site.mrn(life.number, again=again))
            told.append(demographics.register(dice, life.truth, past, names, at, again=again))
        return tuple(sorted(told, key=lambda one: (one.is_duplicate, one.at)))

    def _neighbour(self, life: Life) -> str:
        """The id of another patient at the site of the first encounter."""
        if not life.encounters:
            return ""
        site = life.encounters[0].site
        for step in range(1, _NEAR):
            number = (life.number + step - 1) % self.patients + 1
            if number != life.number and self.homes(number)[-1].name == site:
                return self.site(site).patient_id(number)
        return ""


@dataclass(frozen=True, slots=True)
class _Known:
    culture: Culture
    past: Past


def sites_of(text: str) -> tuple[Site, ...]:
    """Sites as the command line names them: `north,south` or `north=America/New_York,…`."""
    told = [part.strip().partition("=") for part in text.split(",")]
    if len({name for name, _, _ in told}) != len(told):
        raise SpecError("two sites have one name")
    return tuple(site_of(name, index, zone) for index, (name, _, zone) in enumerate(told))


def _turn(number: int) -> tuple[Module, int]:
    order = turns()
    round_, place = divmod(number - 1, len(order))
    module, position, weight = order[place]
    return module, round_ * weight + position


def _age(born: int) -> int:
    return (BEGIN.toordinal() - born) // 365


def _settled(life: Life) -> list[Encounter]:
    """In the order of time: a visit that would fall into a stay did not happen, nor one after
    death."""
    stays = [found for found in life.encounters if found.setting != "AMB"]
    kept = [
        found
        for found in life.encounters
        if found.start < END
        and (life.died is None or found.end <= life.died)
        and (
            found.setting != "AMB"
            or all(found.end + 60 < stay.start or stay.end + 60 < found.start for stay in stays)
        )
    ]
    return sorted(kept, key=lambda found: found.start)
