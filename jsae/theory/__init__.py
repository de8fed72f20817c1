"""Lemmas and assumptions of section 4, checked with numbers."""
