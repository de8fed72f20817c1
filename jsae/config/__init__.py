"""The schema of params.yaml, cells and seeds of a study, labels, errors: needs no torch and no other package."""
