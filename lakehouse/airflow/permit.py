"""The proof that a DAG run was asked for on the lake's pages, where policy.yml was held against the
person: who may trigger DAGs in Airflow may not, by that alone, act on what waits in quarantine."""

import hmac
import json
from collections.abc import Mapping
from typing import Any

from airflow.configuration import conf

from lakehouse.errors import PolicyError

PERMIT = "permit"


def page_secret() -> bytes:
    """What signs the forms and the permits of the pages: made of Airflow's own secret."""
    secret = conf.get_mandatory_value("api", "secret_key")
    return hmac.new(secret.encode(), b"clinical-lakehouse pages", "sha256").digest()


def permit(told: Mapping[str, Any], run_id: str, person: str) -> str:
    """The permit for one run with this configuration, asked for by this person."""
    said = json.dumps([sorted(told.items()), run_id, person])
    return hmac.new(page_secret(), said.encode(), "sha256").hexdigest()


def require_permit(given: Mapping[str, Any], run_id: str, person: str) -> dict[str, Any]:
    """The configuration without its permit; raises PolicyError where that is not the right one."""
    told = {name: value for name, value in given.items() if name != PERMIT}
    if not hmac.compare_digest(str(given.get(PERMIT, "")), permit(told, run_id, person)):
        raise PolicyError(
            "this run was not asked for on the lake's pages",
            hint="act there: policy.yml says who may",
        )
    return told
