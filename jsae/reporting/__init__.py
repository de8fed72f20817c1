"""Figures and pages of the report. Needs no torch."""
