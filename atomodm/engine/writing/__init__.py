"""Applying batches: prepared, committed, and tried again after a race."""
