"""What keeps the river in its bed: checks, maintenance, retention."""
