"""What sites do to records after they wrote them, and what is broken on the way out."""

from collections.abc import Iterator, Sequence

from lakehouse.datasets.synthetic.clock import DAY, END, HOUR, exported_at
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.model import Change, Encounter, Registration

RESULT_CORRECTED = "result_corrected"
"""Target a result, which had `value` until then: what the story holds is right."""
ROUND_IN_ERROR = "round_in_error"
"""Target a round of vital signs that was never this patient's: entered in error."""
ROUND_LATE = "round_late"
"""Target a round that the first export lacks though it had been written down."""
ENCOUNTER_DELETED = "encounter_deleted"
"""Target an encounter: the site deletes it with all its records."""
ENCOUNTER_MOVED = "encounter_moved"
"""Target an encounter charted for the patient `other` until then, wrongly."""
ENCOUNTER_RECLASSIFIED = "encounter_reclassified"
"""Target an encounter that was called elective, and was an emergency after all."""
PANEL_DUPLICATED = "panel_duplicated"
"""Target a battery that an interface wrote twice; the copy's id, and its results', begin with
`other`."""
ADDRESS_CORRECTED = "address_corrected"
"""Target a registration that had the former address until then, and now has the true one."""
PATIENT_STALE = "patient_stale"
"""Target a registration with a corrected address, whose first version arrives again, late."""
PATIENT_RESENT = "patient_resent"
"""Target a registration: the same content under a newer version."""
PATIENT_MERGED = "patient_merged"
"""Target a duplicate registration; `other` is the one that goes on."""
PATIENT_UNMERGED = "patient_unmerged"
"""The merge of the target into `other` was wrong, or thought to be, and is undone."""

UNCODED = "uncoded"
"""Defect. Target a result: the second export has it again without saying what it is, the third
is right."""
CUT_LINE = "cut_line"
"""Defect. Target a result of which the second export has half a line; the third has the whole."""
IMPOSSIBLE = "impossible"
"""Defect. Target a round whose heart rate is `value`, which no heart can do."""
DEFECTS = (UNCODED, CUT_LINE, IMPOSSIBLE)

# whose turn it is, of so many people in a row
_TURNS = 12
_CORRECTED = (1, 2, 3)
_DELETED, _MOVED, _RESENT, _DOUBLED = 4, 5, 7, 9
_ROUNDS = {6: ROUND_IN_ERROR, 8: ROUND_LATE}
_WRONG = 3
_PARTS = 10_000


def changes_of(
    dice: Dice,
    number: int,
    registrations: Sequence[Registration],
    encounters: Sequence[Encounter],
    defects: int,
    neighbour: str,
) -> Iterator[Change]:
    """What happens to the records of a person: each kind has its turn, whatever the seed.

    `defects` people of 10,000 have a defect; `neighbour` is another patient's id at the site of the
    first encounter, or nothing where there is none.
    """
    yield from _merges(dice, number, registrations)
    yield from _addresses(dice, number, registrations)
    known = [found for found in encounters if found.end < END]
    if not known:
        return
    edits = [*_edits(dice, number, known, neighbour), *_urgencies(dice, number, known)]
    yield from edits
    if dice.below(_PARTS) < defects:
        # what is changed by somebody is not broken as well: one record has one story
        taken = {edit.target for edit in edits}
        found = _defects(dice, number, known[-1])
        yield from (one for one in found if taken.isdisjoint((one.target, known[-1].id)))


def export_of(change: Change) -> int:
    """The first export that shows a change."""
    return 1 + max(0, -(-(change.at - END) // DAY))


def _edits(dice: Dice, number: int, known: Sequence[Encounter], neighbour: str) -> Iterator[Change]:
    first, last = known[0], known[-1]
    soon = exported_at(1) + dice.between(HOUR, 20 * HOUR)
    turn = number % _TURNS
    if kind := _ROUNDS.get(turn):
        yield Change(kind, first.site, soon, first.rounds[0].id)
    elif turn in _CORRECTED:
        yield from _corrections(dice, known, turn)
    elif turn == _DELETED and last is not first and last.disposition != "exp":
        yield Change(ENCOUNTER_DELETED, last.site, soon, last.id)
    elif turn == _MOVED and neighbour:
        yield Change(ENCOUNTER_MOVED, first.site, soon, first.id, other=neighbour)
    elif turn == _RESENT:
        yield Change(PATIENT_RESENT, first.site, soon, first.patient)
    elif turn == _DOUBLED:
        yield from _copies(first)


def _urgencies(dice: Dice, number: int, known: Sequence[Encounter]) -> Iterator[Change]:
    for encounter in known:
        if encounter.is_elective and encounter.reason.code.startswith("I21") and number % 2:
            at = exported_at(1) + dice.between(HOUR, 20 * HOUR)
            yield Change(ENCOUNTER_RECLASSIFIED, encounter.site, at, encounter.id)


def _copies(encounter: Encounter) -> Iterator[Change]:
    for panel in encounter.panels[:1]:
        at, copy = panel.resulted + 3, f"{panel.id}x"
        yield Change(PANEL_DUPLICATED, encounter.site, at, panel.id, other=copy)


def _corrections(dice: Dice, known: Sequence[Encounter], turn: int) -> Iterator[Change]:
    """Long ago, before the second export, or before the third."""
    first, last = known[0], known[-1]
    if turn == 1:
        yield from _correction(dice, first, first.end + dice.between(1, 3) * DAY)
    else:
        encounter = last if turn == 2 else first
        yield from _correction(
            dice, encounter, exported_at(turn - 1) + dice.between(HOUR, 20 * HOUR)
        )


def _correction(dice: Dice, encounter: Encounter, at: int) -> Iterator[Change]:
    for panel in encounter.panels:
        for result in panel.results:
            if result.value is not None and not result.comparator:
                at = max(at, panel.resulted + HOUR)
                wrong = result.value + dice.between(2, 5)
                right, parts = result.value, result.analyte.parts
                yield Change(
                    RESULT_CORRECTED, encounter.site, at, result.id, wrong, right=right, parts=parts
                )
                return


def _merges(dice: Dice, number: int, registrations: Sequence[Registration]) -> Iterator[Change]:
    """Four of five duplicates are found; some of those merges are undone."""
    for again in registrations:
        if not again.is_duplicate or number % 5 == 0:
            continue
        first = next(found for found in registrations if found.site == again.site)
        is_early = number % 2 == 0
        at = END - dice.between(1, 20) * DAY if is_early else END + dice.between(2, 20) * HOUR
        at = max(at, again.at + HOUR)
        yield Change(PATIENT_MERGED, again.site, at, again.id, other=first.id)
        if number % _WRONG == 0:
            undone = END + DAY * (not is_early) + dice.between(2, 20) * HOUR
            yield Change(PATIENT_UNMERGED, again.site, undone, again.id, other=first.id)


def _addresses(dice: Dice, number: int, registrations: Sequence[Registration]) -> Iterator[Change]:
    for told in registrations:
        if "moved_house" not in told.flaws or told.is_duplicate:
            continue
        is_early = number % _WRONG > 0
        at = END - dice.between(2, 200) * HOUR if is_early else END + dice.between(2, 20) * HOUR
        at = max(at, told.at + HOUR)
        yield Change(ADDRESS_CORRECTED, told.site, at, told.id)
        if at < END and number % 2:
            yield Change(PATIENT_STALE, told.site, END + dice.between(2, 20) * HOUR, told.id)


def _defects(dice: Dice, number: int, last: Encounter) -> Iterator[Change]:
    at = exported_at(1) + dice.between(HOUR, 20 * HOUR)
    kind = DEFECTS[dice.below(len(DEFECTS))]
    if kind == IMPOSSIBLE and last.rounds:
        yield Change(kind, last.site, at, last.rounds[-1].id, 900 + number % 90)
    elif kind != IMPOSSIBLE and last.panels:
        yield Change(kind, last.site, at, last.panels[-1].results[-1].id)
