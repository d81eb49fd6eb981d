"""A question to people about a feed's deliveries, as one of Airflow's Required Actions."""

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from lakehouse.airflow.notices import Notice, tell
from lakehouse.airflow.rights import require_right
from lakehouse.airflow.tasks import DEFAULTS, QUESTION, on_lake
from lakehouse.catalog.policy import ACT
from lakehouse.errors import SpecError
from lakehouse.settings import read_settings

if TYPE_CHECKING:
    from lakehouse.ingest.questions import Question
    from lakehouse.storage.lake import Lake

LOAD, LEAVE_OUT = "Load", "Leave out"

DEFAULTS_OF_QUESTIONS = DEFAULTS | {
    # whoever may not answer is refused, and the question is put again: as often as it takes
    "retries": 10_000,
    "retry_exponential_backoff": False,
    "retry_policy": ExceptionRetryPolicy([RetryRule([SpecError], RetryAction.FAIL)]),
}
_REASON = "answered in Airflow"


class Approval(HITLOperator):
    """Asks whether batches in doubt are loaded or left out, and writes down what was answered and
    by whom, as the command line does.

    It waits without a slot. Where somebody has decided in the meantime it changes nothing.
    """

    def __init__(self, *, feed: str, **more: Any) -> None:
        super().__init__(subject=f"{feed}: too much refused", options=[LOAD, LEAVE_OUT], **more)
        self.feed = feed

    def execute(self, context: Any) -> Any:
        """Put the question, or end where nothing of it is open. Raises SpecError for a run that
        names no question of this feed."""
        question = on_lake("ingest", lambda lake: self._find_open(lake, context))
        if not question:
            self.log.info("nothing of this question is open")
            return None
        self.subject, self.body = _subject(question), _body(question)
        if context["ti"].try_number == 1:
            link = self.generate_link_to_ui_from_context(context=context)
            tell(Notice(f"An answer is needed: {self.subject}", self.body, link), context)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Write the answer down. Raises PolicyError where policy.yml does not let that person
        answer; the question is put again then."""
        told = super().execute_complete(context, event)
        person = (told["responded_by_user"] or {}).get("name", "")
        (chosen,) = told["chosen_options"]
        require_right(read_settings(), person, ACT)

        def work(lake: "Lake") -> int:
            from lakehouse.ingest.questions import Answer, answer

            question = self._find_open(lake, context)
            given = Answer(chosen == LOAD, _REASON, person)
            return len(answer(lake, question, given)) if question else 0

        return {"decided": on_lake("ingest", work)}

    def _find_open(self, lake: "Lake", context: Any) -> list["Question"]:
        from lakehouse.ingest.questions import asked, still_open

        number = (context["dag_run"].conf or {}).get(QUESTION)
        if number not in [one.number for one in asked(lake, self.feed)]:
            raise SpecError(
                f"{self.feed}: no such question was ever put",
                hint=f"the DAG ingest__{self.feed} asks by itself",
            )
        return [one for one in still_open(lake, self.feed) if one.number == number]


def _subject(question: list["Question"]) -> str:
    records, refused = (sum(getattr(q, name) for q in question) for name in ("records", "refused"))
    return f"{question[0].feed}: {refused} of {records} records would be refused"


def _body(question: list["Question"]) -> str:
    """Sequences and counts alone: nothing here is a patient's."""
    rows = [f"| {q.first}-{q.last} | {q.records} | {q.refused} |" for q in question]
    said = [
        f"Of these deliveries of {question[0].feed} more cannot be read than its stanza allows.",
        f"{LOAD}: what can be read is loaded, the rest waits in quarantine.",
        f"{LEAVE_OUT}: they stay landed and are never loaded.",
        "What came later waits behind them.",
    ]
    return (
        "\n\n".join(said)
        + "\n\n| deliveries | records | refused |\n|---|---|---|\n"
        + "\n".join(rows)
    )
