"""What is declared. Imports no data library, so that DAG files parse fast."""
