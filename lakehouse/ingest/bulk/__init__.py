"""A client of FHIR bulk exports: wire, login, what was promised, parts, progress, pull."""
