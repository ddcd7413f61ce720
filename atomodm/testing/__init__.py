"""For authors of stores: the tests that every store must pass."""
