"""Who may sign in to a server's Airflow at first: an administrator and a viewer.

`python -m lakehouse.airflow.people` is the last thing docker-compose.yml runs before Airflow's
components. Passwords come from the files that AIRFLOW_ADMIN_PASSWORD_FILE and
AIRFLOW_VIEWER_PASSWORD_FILE name, never from an argument list. Running it again gives the two the
passwords that the files hold now; whoever was added since is left alone.
"""

import os
from pathlib import Path
from typing import Any

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

ROLES = {"admin": "Admin", "viewer": "Viewer"}


def admit(passwords: dict[str, str]) -> None:
    """Make each of these users with the role of its name, or give it its password anew."""
    with get_application_builder() as builder:
        for user, password in passwords.items():
            _admit(builder.sm, user, password)


def _admit(people: Any, user: str, password: str) -> None:
    known = people.find_user(username=user)
    if known:
        people.reset_password(known.id, password)
        return
    role = people.find_role(ROLES[user])
    if not people.add_user(user, user, "of the server", f"{user}@localhost", role, password):
        raise RuntimeError(f"Airflow did not take the user {user}")


def main() -> None:
    """Admit the users whose password files the environment names."""
    files = {user: os.environ[f"AIRFLOW_{user.upper()}_PASSWORD_FILE"] for user in ROLES}
    admit({user: Path(path).read_text().strip() for user, path in files.items()})


if __name__ == "__main__":
    main()
