"""Engines that run the graph of dvc.yaml: Snakemake in parallel or on a cluster, and the table of its state."""
