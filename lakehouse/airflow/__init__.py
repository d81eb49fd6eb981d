"""The only importer of Airflow: task glue, lineage extractor, triggers."""
