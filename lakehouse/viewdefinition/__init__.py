"""SQL on FHIR v2 ViewDefinitions, compiled to DuckDB SQL. Pure Python: it reads no row and opens no file of data."""
