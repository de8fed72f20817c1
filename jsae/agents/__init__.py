"""Policy-gradient agents for a population: one algorithm, one file, in the order of its pseudocode.

The class of NAME.py is NAME in capitals; it has, for P members:

| member | what |
|---|---|
| build(seeds, inputs, choices, hidden_sizes, initial_standard_deviations, device, ...) | a new agent for each seed |
| draw(streams, T, N) | noise for an epoch's choices, [P, T, N, ...] |
| choose(x, noise) | what the policy chooses at inputs x, [P, N, ...] |
| update(experience, represent) | learn from an epoch; the metrics that it has measured, [P] each |
| weights(), tensors(), load(tensors) | parameters; the rest of its state; go on from both |
"""
