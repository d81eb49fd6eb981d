"""What support would ask first, answered: each finding with its cure, and no secret in any."""

from lakehouse.settings import Settings
from lakehouse.stack import supervisor
from lakehouse.stack.airflow_findings import look_at_airflow, look_at_webhook, server_address
from lakehouse.stack.finding import Finding
from lakehouse.stack.lake_findings import look_at_work
from lakehouse.stack.machine_findings import look_at_machine
from lakehouse.stack.places import Places
from lakehouse.stack.ports import running
from lakehouse.stack.process import recorded
from lakehouse.stack.store_findings import look_at_store

__all__ = ["Finding", "doctor"]


def doctor(settings: Settings) -> list[Finding]:
    """Look at this machine, the store, Airflow and the feeds, and tell what was found.

    Beside an embedded stack, in a server's container, or where there is neither; what cannot be
    looked at from here is a finding that says so. The store is tried with harmless objects that are
    removed again; nothing else is changed. Raises nothing for what is ill: that is a finding.
    """
    keeper = recorded(Places(settings.home).process(supervisor.NAME))
    is_running = keeper is not None and keeper.is_alive()
    settings = running(settings) if is_running else settings
    is_server = server_address() is not None
    return [
        *look_at_machine(settings, is_server=is_server, is_running=is_running),
        *look_at_store(settings, is_server=is_server),
        *look_at_airflow(settings, is_running=is_running),
        look_at_webhook(settings),
        *look_at_work(settings),
    ]
