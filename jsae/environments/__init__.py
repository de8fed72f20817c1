"""The environments of the paper (section 5, appendix A.4.1), one file each, as batched functions.

Every class steps P runs x N parallel episodes at once, without a loop over either. They share these attributes

| name | what |
|---|---|
| episode_length | steps after which the caller truncates an episode |
| observation_size | rows of the table that `observe` indexes, or width of a plain observation vector |
| discrete_observations | whether `observe` returns ids |
| one_hots | how many one-hot vectors the ids of an observation are; 0 where it is a vector |
| grid | bins along each side of the square that states lie in; None where they lie in no square |
| n_actions | number of actions; None where actions are continuous |
| action_size | dimensions of a continuous action; 0 where actions are discrete |
| n_targets | classes of `target`, or its width where observations are continuous |
| reset_noise | uniform numbers in [0, 1) that a reset needs for each episode |
| step_noise | uniform numbers in [0, 1) that a step needs for each episode |
| device | where states and tables are |

and these methods

| name | what |
|---|---|
| reset(uniforms [P, N, reset_noise]) | state [P, N, k], the whole Markov state |
| step(state, action, uniforms) | next state [P, N, k] before any reset, reward [P, N], terminated [P, N] |
| observe(state) | ids [P, N, f] int64, or [P, N, observation_size] float32 |
| target(state) | class [P, N] int64 that Eq. (5) predicts, or [P, N, n_targets] float32 |
| to(device) | the same environment with its tables on a device |
| reference_returns() | undiscounted returns of the random and of the best policy, as far as known |
| action_effects() | motion of each action [actions, 2] float64; None where actions are no motions |

Randomness comes from outside, so that a run's episodes do not depend on who else is in its batch of runs. Time limits
are the caller's: an environment never truncates.

What params.yaml sets are the arguments of the constructor that have a `Doc` (jsae.config.doc): their types, limits,
meanings and sources stand in its signature. What depends on several arguments the constructor checks: it raises
JsaeError. The argument `model` holds tensors, where an environment is made of data.
"""
