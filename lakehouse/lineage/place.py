"""How lineage names the lake."""

from lakehouse.settings import Settings


def namespace(settings: Settings) -> str:
    """The namespace of all datasets of the lake: its address."""
    url = settings.lake_url()
    return url if "://" in url else f"file://{url}"
