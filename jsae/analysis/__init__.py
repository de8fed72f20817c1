"""Tables of a study: what their columns are, statistics, verdicts on claims, the search's outcome. Needs no torch."""
