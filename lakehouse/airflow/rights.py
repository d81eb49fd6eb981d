"""Who a person of Airflow is to the lake, where only the name is known: in a task."""

from lakehouse.airflow.groups import ask_groups
from lakehouse.catalog.policy import Policy
from lakehouse.errors import PolicyError, SpecError, StoreError
from lakehouse.settings import Settings


def require_right(settings: Settings, name: str, right: str) -> None:
    """Raise PolicyError where policy.yml gives the right neither to this person nor to a group of
    theirs, StoreError where that cannot be read: nobody has any right then."""
    try:
        policy = Policy.read(settings.policy)
    except SpecError as error:
        raise StoreError(error.message, hint=error.hint) from None
    is_named = right in policy.rights_of(name, ())
    if not is_named and right not in policy.rights_of(name, ask_groups(name)):
        raise PolicyError(
            f"policy.yml does not give {name or 'nobody'} the right to {right}",
            hint="give it under airflow.users, or to one of the person's groups in Airflow",
        )
