"""Delta tables by name, and SELECT over them."""
