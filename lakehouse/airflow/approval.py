"""A question to people about a feed's deliveries, as one of Airflow's Required Actions."""

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.execution_time.hitl import upsert_hitl_detail as put_question

from lakehouse.airflow.notices import Notice, tell
from lakehouse.airflow.rights import require_right
from lakehouse.airflow.tasks import DEFAULTS, QUESTION, on_lake
from lakehouse.airflow.triggers import NEVER_PUT, AnswerTrigger
from lakehouse.catalog.policy import ACT
from lakehouse.errors import PolicyError, SpecError
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

    It waits without a slot. An answer is taken once, whatever is killed before it was written down.
    Where somebody has decided elsewhere in the meantime it ends and changes nothing.
    """

    def __init__(self, *, feed: str, **more: Any) -> None:
        super().__init__(subject=f"{feed}: too much refused", options=[LOAD, LEAVE_OUT], **more)
        self.feed = feed

    def execute(self, context: Any) -> Any:
        """Put the question, or end where nothing of it is open. Raises SpecError for a run that
        names no question of this feed."""
        question, people = self._find(context)
        if not question:
            return self._end(0, people)
        if context["ti"].try_number == 1:
            self._ask(question, context)
        # at a later try the question stands, perhaps with an answer: putting it would drop that
        return self._wait(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Write the answer down. Raises PolicyError where policy.yml does not let that person
        answer; the question is put again then."""
        question, people = self._find(context)
        if not question:
            return self._end(0, people)
        if event == NEVER_PUT:
            self._ask(question, context)
        if "chosen_options" not in event:
            return self._wait(context)
        told = super().execute_complete(context, event)
        person = (told["responded_by_user"] or {}).get("name", "")
        (chosen,) = told["chosen_options"]
        try:
            require_right(read_settings(), person, ACT)
        except PolicyError:
            self._put(question, context)
            raise
        return self._end(self._decide(question, chosen == LOAD, person), [person])

    def _decide(self, question: list["Question"], is_accepted: bool, person: str) -> int:
        def work(lake: "Lake") -> int:
            from lakehouse.ingest.questions import Answer, answer

            return len(answer(lake, question, Answer(is_accepted, _REASON, person)))

        return on_lake("ingest", work)

    def _ask(self, question: list["Question"], context: Any) -> None:
        self._put(question, context)
        link = self.generate_link_to_ui_from_context(context=context)
        tell(Notice(f"An answer is needed: {self.subject}", str(self.body), link), context)

    def _put(self, question: list["Question"], context: Any) -> None:
        """Put the question under Required Actions, without the answer that it may have had."""
        self.subject, self.body = _subject(question), _body(question)
        told: dict[str, Any] = {"options": self.options, "params": {}}
        put_question(context["ti"].id, subject=self.subject, body=self.body, **told)

    def _wait(self, context: Any) -> None:
        number, instance = context["dag_run"].conf[QUESTION], context["ti"]
        trigger = AnswerTrigger(self.feed, number, str(instance.id))
        self.defer(trigger=trigger, method_name="execute_complete")

    def _end(self, count: int, people: list[str]) -> dict[str, Any]:
        self.log.info("nothing of this question is open; decided by %s", ", ".join(people))
        return {"decided": count, "by": people}

    def _find(self, context: Any) -> tuple[list["Question"], list[str]]:
        number: Any = (context["dag_run"].conf or {}).get(QUESTION)

        def work(lake: "Lake") -> tuple[list["Question"], list[str]]:
            from lakehouse.ingest.waiting import find_open

            return find_open(lake, lake.catalog.feeds[self.feed], number)

        return on_lake("ingest", work)


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
