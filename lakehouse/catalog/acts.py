"""What a person may do with refused records, and the reasons that may be given for it."""

LOOK, REPLAY, DISMISS = "look", "replay", "dismiss"
ACTS = (REPLAY, DISMISS)
"""Those that change something, and so are DAG runs."""

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
