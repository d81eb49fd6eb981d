"""The lakehouse's pages in the Airflow UI: in its navigation, and from each DAG and task."""

from airflow.plugins_manager import AirflowPlugin

from lakehouse.airflow.pages import PREFIX, VIEWS, Pages


class LakehousePages(AirflowPlugin):
    """Registers the pages and the links that lead to them."""

    name = "lakehouse"
    fastapi_apps = [{"app": Pages(), "url_prefix": PREFIX, "name": "Lakehouse"}]  # noqa: RUF012 (as Airflow has it)
    external_views = [dict(view) for view in VIEWS]  # noqa: RUF012
