"""What is asked of people: once, of whole batches, and nothing behind them goes on."""

import re
from pathlib import Path

import pytest

from lakehouse.answers.feeds import list_decisions, list_feeds
from lakehouse.errors import QualityError
from lakehouse.govern.follow import follow_all
from lakehouse.ingest import load as loading
from lakehouse.ingest.decisions import Decision, decided
from lakehouse.ingest.load import load
from lakehouse.ingest.questions import Answer, Question, answer, asked
from lakehouse.ingest.waiting import find_loadable, find_questions
from lakehouse.state.store import open_state
from lakehouse.storage.lake import Lake
from lakehouse.transform.river import decide_batch, run
from tests.ingest.test_decisions import BROKEN, FEED, held, say, send
from tests.ingest.test_decisions import lake as lake  # the same one
from tests.processes import race
from tests.workbench import NOW, drop, lake_at

YES, NO = Answer(True, "a test", "ann"), Answer(False, "a test", "ann")


def questions(lake: Lake) -> list[Question]:
    return find_questions(lake, lake.catalog.feeds[FEED])


def loadable(lake: Lake) -> list[tuple[int, int]]:
    return [(batch.first, batch.last) for batch in find_loadable(lake, lake.catalog.feeds[FEED])]


def load_all(lake: Lake) -> None:
    for batch in find_loadable(lake, lake.catalog.feeds[FEED]):
        load(lake, batch)


@pytest.mark.long
@pytest.mark.parametrize(
    ("good", "broken", "is_asked"),
    [(8, 2, False), (8, 3, True), (0, 1, True), (1, 0, False), (0, 0, False)],
)
def test_it_is_asked_of_what_a_load_would_refuse_and_nothing_else(
    lake: Lake, good: int, broken: int, is_asked: bool
) -> None:
    send(lake, "a", good, broken)
    found = questions(lake)
    assert [(q.first, q.last, q.records, q.refused) for q in found] == (
        [(1, 1, good + broken, broken)] if is_asked else []
    )
    assert loadable(lake) == ([] if is_asked else [(1, 1)])
    assert held(lake) == (0, 0), "it was read for its counts alone"


@pytest.mark.long
def test_a_question_is_put_once_and_what_comes_later_waits_behind_it(lake: Lake) -> None:
    send(lake, "a", 1, 1)
    first = questions(lake)
    send(lake, "b", 1, 1)
    assert questions(lake) == first
    assert loadable(lake) == []
    answer(lake, first, YES)
    (second,) = questions(lake)
    assert (second.first, second.number) == (2, 2), "what waited is judged when its turn has come"
    assert loadable(lake) == [(1, 1)]
    load_all(lake)
    assert held(lake) == (1, 1)
    answer(lake, [second], NO)
    load_all(lake)
    assert (held(lake), questions(lake), loadable(lake)) == ((1, 1), [], [])


@pytest.mark.long
def test_one_question_names_every_batch_in_doubt_and_one_answer_is_for_all(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_MOST_OBJECTS", 1)
    for number, (good, broken) in enumerate([(1, 0), (1, 1), (3, 0), (1, 2)]):
        send(lake, f"v{number}", good, broken)
    found = questions(lake)
    assert [(q.number, q.first, q.last) for q in found] == [(1, 2, 2), (1, 4, 4)]
    assert loadable(lake) == [(1, 1)]
    answer(lake, found, YES)
    load_all(lake)
    assert held(lake) == (6, 3)


@pytest.mark.long
def test_a_load_that_refuses_leaves_the_question_behind(lake: Lake) -> None:
    drop(lake, FEED, "a.ndjson", BROKEN)
    for _ in range(2):
        with pytest.raises(QualityError):
            run(lake.settings, lambda _: None, feeds=[FEED], tables=["silver.patient"])
    assert [(q.number, q.first) for q in asked(lake, FEED)] == [(1, 1)]
    (state,) = [
        f for f in list_feeds(open_state(lake.settings), lake.catalog, NOW) if f.name == FEED
    ]
    assert state.question
    assert (state.question.batches, state.question.refused) == (("1-1",), 1)


@pytest.mark.long
def test_of_an_answer_and_a_decision_elsewhere_the_first_stands(lake: Lake) -> None:
    send(lake, "a", 1, 1)
    question = questions(lake)
    say(lake, 1, 1, is_accepted=True, by="bob")
    assert answer(lake, question, NO) == []
    assert [(d.is_accepted, d.by) for d in decided(lake, FEED)] == [(True, "bob")]


@pytest.mark.long
def test_the_pages_know_who_decided_what_and_not_in_which_words(lake: Lake) -> None:
    send(lake, "a", 1, 1)
    questions(lake)
    decide_batch(lake.settings, Decision(FEED, 1, 1, False, "Mrs Zanzibar called", "ann"))
    follow_all(lake)
    state = open_state(lake.settings)
    (told,) = list_decisions(state, FEED)
    assert (told["by_whom"], told["is_accepted"], told["last_sequence"]) == ("ann", 0, 1)
    assert "Zanzibar" not in str(
        [state.ask(f"select * from {name}") for name in ("decision", "question")]
    )
    (shown,) = [f for f in list_feeds(state, lake.catalog, NOW) if f.name == FEED]
    assert shown.question is None


@pytest.mark.long
def test_a_stanza_that_allows_more_by_now_ends_a_question(lake: Lake, tmp_path: Path) -> None:
    send(lake, "a", 1, 1)
    assert questions(lake)
    text = (tmp_path / "config" / "feeds.toml").read_text()
    (tmp_path / "config" / "feeds.toml").write_text(re.sub("most_refused.*\n", "", text))
    now = lake_at(tmp_path)
    assert questions(now) == []
    load_all(now)
    assert held(now) == (1, 1)


def asks(root: Path) -> None:
    questions(lake_at(root))


@pytest.mark.long
def test_several_who_ask_at_once_put_one_question(lake: Lake, tmp_path: Path) -> None:
    send(lake, "a", 1, 1)
    assert race([(asks, (tmp_path,))] * 4) == [0] * 4
    assert len(asked(lake, FEED)) == 1
