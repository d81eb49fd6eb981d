"""The lakehouse's pages in the Airflow UI: in its navigation, and from each DAG and task."""

from airflow.plugins_manager import AirflowPlugin

from lakehouse.airflow.groups import PREFIX as GROUPS
from lakehouse.airflow.groups import Groups
from lakehouse.airflow.pages import PREFIX, VIEWS, Pages


class LakehousePages(AirflowPlugin):
    """Registers the pages and the links that lead to them."""

    name = "lakehouse"
    fastapi_apps = [  # noqa: RUF012 (as Airflow has it)
        {"app": Pages(), "url_prefix": PREFIX, "name": "Lakehouse"},
        {"app": Groups(), "url_prefix": GROUPS, "name": "Lakehouse groups"},
    ]
    external_views = [dict(view) for view in VIEWS]  # noqa: RUF012
