"""SQL on FHIR v2 ViewDefinitions, compiled to DuckDB SQL. Pure Python: no row is read here, and no
data library."""
