"""The pages under the Airflow UI: they show what `lakehouse.answers` says, and hold no logic."""
