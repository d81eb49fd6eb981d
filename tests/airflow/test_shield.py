"""What reaches Airflow's logs of an error: the lakehouse's own words, or class and place alone."""

import traceback
from typing import Any

import pytest

from lakehouse.errors import LakehouseError, QualityError, StoreError

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]

CANARY = "Zanzibar-Canary"


def handed_on(error: BaseException) -> BaseException:
    """What a task raises when its work raises `error` while handling another that quotes."""
    from lakehouse.airflow.shield import Shield

    def work() -> None:
        try:
            {}[CANARY]
        except KeyError:
            raise error  # noqa: B904 (its context is what must be dropped)

    def task() -> Any:
        with Shield() as shield:
            return work()
        raise shield.withheld

    with pytest.raises(BaseException) as caught:  # noqa: PT011 (each case tells which)
        task()
    return caught.value


def all_said(error: BaseException) -> str:
    """All that a logger could make of it, chained errors even where they are suppressed."""
    said = "".join(traceback.format_exception(error))
    for other in (error.__context__, error.__cause__):
        said += all_said(other) if other else ""
    return said


@pytest.mark.parametrize("error", [QualityError("3 rows broke it", hint="mend"), StoreError("no")])
def test_an_error_of_ours_is_handed_on_as_it_is_without_what_came_before_it(
    error: LakehouseError,
) -> None:
    found = handed_on(error)
    assert found is error
    assert CANARY not in all_said(found)


@pytest.mark.parametrize("error", [ValueError(CANARY), RuntimeError(CANARY), OSError(5, CANARY)])
def test_an_error_that_nobody_foresaw_tells_its_class_and_place_only(error: Exception) -> None:
    from lakehouse.airflow.shield import UnforeseenError

    found = handed_on(error)
    assert isinstance(found, UnforeseenError)
    assert str(found).startswith(type(error).__name__)
    assert "test_shield.py:" in str(found)
    assert "in work" in str(found)
    assert CANARY not in all_said(found)


def test_airflows_own_signals_pass() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    skip = AirflowSkipException("nothing to do")
    assert handed_on(skip) is skip


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), SystemExit(3)])
def test_what_ends_the_process_passes(signal: BaseException) -> None:
    assert handed_on(signal) is signal
