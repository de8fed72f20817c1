"""One module a stage: paths and parameters in, files out. `python -m stages.NAME --help` says which."""
