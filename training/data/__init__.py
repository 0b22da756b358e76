"""Data sets: named ones and one's own, all read into the same arrays."""
