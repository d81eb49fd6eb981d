"""Data made here: the sample hospital."""
