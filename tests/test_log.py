"""A log line holds what is known to be safe, and names what it withheld."""

import pytest

from lakehouse import log

CANARY = "Zacharias"
OBJECT = "ab" * 32
RUN = "0190f6b2-3f5e-7c61-8d0a-0123456789ab"


@pytest.fixture(autouse=True)
def _default_level():
    # another test of this process may have run a command, which sets its own
    log.configure("info")
    yield
    log.configure("info")


def written(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().partition(" ")[2]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"rows": 3}, "level=info event=committed rows=3"),
        ({"table": "silver.encounter"}, "level=info event=committed table=silver.encounter"),
        ({"object": OBJECT}, f"level=info event=committed object={OBJECT}"),
        ({"run": RUN}, f"level=info event=committed run={RUN}"),
        ({"reason": "not utf-8"}, 'level=info event=committed reason="not utf-8"'),
        # not on the list
        ({"patient": CANARY}, "level=info event=committed withheld=patient"),
        ({"path": f"/inbox/{CANARY}"}, "level=info event=committed withheld=path"),
        # on the list, and not what the list says
        ({"rows": CANARY}, "level=info event=committed withheld=rows"),
        ({"table": f"{CANARY} Smith"}, "level=info event=committed withheld=table"),
        ({"object": CANARY}, "level=info event=committed withheld=object"),
        ({"reason": f"bad date {CANARY}"}, "level=info event=committed withheld=reason"),
        ({"run": CANARY}, "level=info event=committed withheld=run"),
        # two at once, and a field whose own name is a value
        ({"b": 1, "a": 2, "rows": 1}, "level=info event=committed rows=1 withheld=a,b"),
        ({CANARY: 1}, "level=info event=committed withheld=unnamed"),
        # no second line can be smuggled in
        ({"table": "a\nlevel=error"}, "level=info event=committed withheld=table"),
    ],
)
def test_a_field_is_written_only_if_it_is_listed_and_looks_as_listed(capsys, fields, line):
    log.get_logger().info("committed", **fields)
    assert written(capsys) == line


@pytest.mark.parametrize("text", [f"loaded {CANARY}", "row 17", "a\nb", "", None, 3])
def test_an_event_that_is_not_plain_words_is_withheld(capsys, text):
    log.get_logger().warning(text)
    assert written(capsys) == 'level=warning event="something happened" withheld=event'


def test_an_exception_is_told_by_its_class_only(capsys):
    try:
        int(CANARY)
    except ValueError:
        log.get_logger().exception("failed")
    assert written(capsys) == "level=error event=failed error=ValueError"


def test_an_exception_that_is_handed_over_is_told_by_its_class_only(capsys):
    log.get_logger().error("failed", exc_info=OSError(CANARY))
    assert written(capsys) == "level=error event=failed error=OSError"


def test_bound_fields_are_checked_like_any_other(capsys):
    log.get_logger().bind(feed="north", name=CANARY).info("landed", files=2)
    assert written(capsys) == "level=info event=landed feed=north files=2 withheld=name"


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_what_is_below_the_level_is_not_written(capsys, level, lines):
    log.configure(level)
    logger = log.get_logger()
    logger.debug("a"), logger.info("b"), logger.warning("c"), logger.error("d")
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_the_logs_of_the_process_around_us_are_left_alone():
    import structlog

    before = structlog.get_config()
    log.get_logger().info("started")
    log.configure("error")
    assert structlog.get_config() == before
