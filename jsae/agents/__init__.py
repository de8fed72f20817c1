"""Policy-gradient agents for a population: one algorithm, one file, in the order of its pseudocode."""
