"""Answering questions: plans are run page by page."""
