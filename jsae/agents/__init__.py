"""Policy-gradient agents for a batch of runs: one algorithm, one file, in the order of its pseudocode.

The class of NAME.py is NAME in capitals. The arguments of its constructor that have a `Doc` are its parameters in
params.yaml. It has:

| attribute or method | what |
|---|---|
| label | its name in figures and prose |
| order | its place in legends: low numbers first |
| searched | names of those of its parameters that the hyper-parameter search may vary |
| build(seeds, inputs, spec, hidden_sizes, initial_standard_deviations, device, ...) | a new agent for each seed |
| draw(streams, T, N) | noise for an epoch's latent actions, [P, T, N, ...] |
| sample(x, noise) | the policy's latent actions at inputs x, [P, N, ...] |
| update(experience, represent) | learn from an epoch; the metrics that it has measured, [P] each |
| weights(), tensors(), load(tensors) | parameters; the rest of its state; go on from both |
"""
