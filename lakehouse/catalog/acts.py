"""What a person may ask for, and the reasons that may be given for what is done with records."""

LOOK, REPLAY, DISMISS, BACKFILL = "look", "replay", "dismiss", "backfill"
ACTS = (REPLAY, DISMISS)
"""What is done with refused records, by runs of `DAG`."""

DAG = "quarantine"
"""The DAG that applies them."""

WHY = (
    "corrected at the source",
    "duplicate of another delivery",
    "not needed",
    "reader or rules changed",
    "sent in error",
    "test data",
)
"""What a person may give as the reason of an act. A fixed list: free words could name a patient,
and would stand in Airflow's database."""
