"""How states and actions are represented: one embedding, one file, named as in params.yaml.

Each has a class `Embedding` for a population of P members:

| member | what |
|---|---|
| learnt | whether there is anything to learn |
| input_size, discrete_inputs | what `represent` gives: ids of a table of input_size rows, or vectors of that size |
| choice_size | d, the dimension of E, where the policy chooses; 0: it chooses among the environment's own actions |
| represent(observation [P, B, f]) | inputs of actor and critic, [P, B, ·] |
| to_action(choice [P, B, ...]) | f: the environment's action |
| parameters | what its loss is minimised over; empty: nothing to learn |
| loss(batch) | mean loss of each member, [P], nats (or squared error for continuous states) |
| refresh() | to be called when the parameters have changed |
"""
