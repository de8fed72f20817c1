"""How states and actions are represented: one embedding, one file, named as in params.yaml.

Each file has a class `Embedding`; jsae.embeddings.base says what it must have.

| name | states | actions | learnt by |
|---|---|---|---|
| none | raw | raw | |
| ra | raw | embedded | which action led from s to s′ (Chandak et al. 2019) |
| jsae | φ | g | Eq. (5) (the paper) |
| jsae_transfer | φ | g | as jsae, with the φ of another environment |
| jsae_transfer_tuned | φ | g | as jsae, starting from the φ of another environment |
| jsae_transfer_all | φ | g | as jsae, with φ, T, actor and critic of another environment |
| state_only | φ of jsae | raw | as jsae |
| action_only | raw | g of jsae | as jsae |
| separate | φ | g | each its own auto-encoder, without T |
| jsae_by_price | φ | the vectors of g in order of price | as jsae, frozen; a control for the recommender |
"""
