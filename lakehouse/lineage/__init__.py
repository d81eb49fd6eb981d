"""What read and what wrote what, at which version."""
