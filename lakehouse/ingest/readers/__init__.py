"""What bytes mean: one module a format, found by its name."""
