"""What Airflow's pages say of a feed or a table: taken from its declaration, as Markdown."""

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Feed, Table


def describe_feed(feed: Feed) -> str:
    """One feed: what it sends, from where, when, and where what it sends goes."""
    times = f"at `{feed.every}` in {feed.zone}" if feed.every else "at no fixed times"
    if feed.export:
        types = ", ".join(feed.export.types) or "all types"
        arrives = f"**Pulled from** `{feed.receives}`: {types}, level `{feed.export.of}`"
    else:
        arrives = (
            f"**Senders write to** `inbox/{feed.name}/`; a file is taken {feed.settle_seconds} s "
            "after its last change, or at once when a manifest lists it and all is there."
        )
    return "\n".join(
        [
            f"### {feed.name}",
            feed.about,
            "",
            f"- {arrives}",
            f"- **Source** `{feed.source}`, **read as** `{feed.reads}`, **time zone** {feed.zone}",
            f"- **Runs** {times if feed.export else f'when something arrives, and {times}'}",
            f"- **What cannot be read waits in** `{feed.quarantine}`",
            f"- **Owner** {feed.owner}",
        ]
    )


def describe_table(catalog: Catalog, table: Table) -> str:
    """One built table: what its rows are, what it reads and what it promises."""
    reads = ", ".join(f"`{read.name}`" for read in catalog.stored_reads(table)) or "nothing stored"
    unit = f"recomputed by `{', '.join(table.by.columns)}`" if table.by else "rebuilt whole"
    checks = [f"- {check.name} ({check.on_fail})" for check in table.checks]
    return "\n".join(
        [
            f"### {table.name}",
            table.about.strip(),
            "",
            f"**Reads** {reads}; {unit}. **Key** {', '.join(table.key) or 'none'}. "
            f"**Owner** {table.owner}. **Kept** {table.keep}.",
            "",
            "**Checks**",
            *(checks or ["none"]),
        ]
    )
