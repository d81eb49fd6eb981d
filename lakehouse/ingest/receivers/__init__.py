"""How bytes arrive: one module a URL scheme, found by its name."""
