"""Indexes: declared, kept in the catalogue, built, written with documents, and removed."""
