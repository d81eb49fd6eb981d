"""Keeps what an error says out of Airflow's logs, unless the lakehouse itself wrote the words.

Airflow writes an error's text and its traceback to the task's log and to the lineage event. An
error that nobody foresaw may quote a patient, so only its class and places are handed on.
"""

import traceback
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from airflow.sdk.exceptions import AirflowException

from lakehouse.errors import LakehouseError


class UnforeseenError(AirflowException):
    """Any error that the lakehouse did not raise on purpose, without its text."""


class Shield(AbstractContextManager["Shield"]):
    """Lets through the lakehouse's own errors and Airflow's signals; holds back every other error.

    What was held back is in `withheld`, to be raised after the block, where it has no context.
    """

    def __init__(self) -> None:
        self.withheld = UnforeseenError("nothing was withheld")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, LakehouseError):
            # what was being handled when it was raised may quote values
            error.__cause__ = error.__context__ = None
            return False
        if not isinstance(error, Exception) or isinstance(error, AirflowException):
            return False
        places = "".join(f"\n  {place}" for place in _places(trace))
        self.withheld = UnforeseenError(
            f"{type(error).__name__}; its text is withheld because it may quote a patient{places}"
        )
        return True


def _places(trace: TracebackType | None) -> list[str]:
    return [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(trace)
    ]
