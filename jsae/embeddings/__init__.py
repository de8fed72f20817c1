"""How states and actions are represented: one embedding, one file, named as in params.yaml.

Each has a class `Embedding` for a population of P members:

| member | what |
|---|---|
| learnt | whether there is anything to learn |
| continual | whether it goes on learning after pre-training; None: as the environment says (A.4.2) |
| transferred | names of the parameters that it takes over from another environment |
| transferred_stay | whether they stay as they are; else they only start from there |
| transfers_agent | whether actor and critic start from those of that environment |
| input_size, discrete_inputs | what `represent` gives: ids of a table of input_size rows, or vectors of that size |
| choice_size | d, the dimension of E, where the policy chooses; 0: it chooses among the environment's own actions |
| represent(observation [P, B, f]) | inputs of actor and critic, [P, B, ·] |
| to_action(choice [P, B, ...]) | f: the environment's action |
| parameters | what its loss is minimised over; empty: nothing to learn |
| loss(batch) | mean loss of each member, [P], nats (or squared error for continuous states) |
| action_table() | embeddings of all actions, [P, actions, d], where there are such |
| refresh() | to be called when the parameters have changed |

| name | states | actions | learnt by |
|---|---|---|---|
| none | raw | raw | |
| ra | raw | embedded | which action led from s to s′ (Chandak et al. 2019) |
| jsae | φ | g | Eq. (5) (the paper) |
| jsae_frozen, jsae_continual | φ | g | as jsae; before the policy only, or all along, whatever the environment says |
| jsae_transfer | φ | g | as jsae, with the φ of another environment |
| jsae_transfer_tuned | φ | g | as jsae, starting from the φ of another environment |
| jsae_transfer_all | φ | g | as jsae, with φ, T, actor and critic of another environment |
| state_only | φ of jsae | raw | as jsae |
| action_only | raw | g of jsae | as jsae |
| ra_frozen | raw | embedded | as ra; before the policy only |
| jsae_by_price | φ | the points of g in order of price | as jsae_frozen; a control for the recommender |
| separate | φ | g | each its own auto-encoder, without T |
"""
