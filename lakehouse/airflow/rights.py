"""Who a person of Airflow is to the lake, where only the name is known: in a task."""

from airflow.configuration import conf

from lakehouse.catalog.policy import Policy
from lakehouse.errors import PolicyError, SpecError, StoreError
from lakehouse.settings import Settings


def require_right(settings: Settings, name: str, right: str) -> None:
    """Raise PolicyError where policy.yml does not give this person the right, StoreError where it
    cannot be read: nobody has any right then."""
    try:
        policy = Policy.read(settings.policy)
    except SpecError as error:
        raise StoreError(error.message, hint=error.hint) from None
    if right not in policy.rights_of(name, _groups(name)):
        raise PolicyError(
            f"policy.yml does not give {name or 'nobody'} the right to {right}",
            hint="name the person under airflow.users: a task does not know Airflow's groups",
        )


def _groups(name: str) -> tuple[str, ...]:
    """The simple auth manager has the role of each user in its settings. Another one keeps groups
    in Airflow's database, which no task may read."""
    users = [told.split(":") for told in conf.getlist("core", "simple_auth_manager_users")]
    return tuple(told[1] for told in users if told[0] == name and _is_simple())


def _is_simple() -> bool:
    return conf.get_mandatory_value("core", "auth_manager").endswith(".SimpleAuthManager")
