"""The method on your own environment: embeddings of any Gymnasium environment or log, wrappers, plots.

| file | what |
|---|---|
| spaces.py | observation and action spaces of Gymnasium as ids and vectors |
| logs.py | transitions: of the random policy, from arrays, from a file |
| fitting.py | `fit`: from transitions to an embedding |
| embedding.py | `StateActionEmbedding`: use it, save it, load it |
| limits.py | limits of the numbers that the library takes |
| wrappers.py | environments whose observations and actions are points |
| continual.py | a callback of Stable-Baselines3 that goes on learning an embedding |
| factored.py | T for states of several components |
| plots.py | plots of embeddings and of learning curves |
| threads.py | how many threads learning takes |
| compiling.py | compiled kernels where the machine can have them |

The public names are those of `jsae.api`; `import jsae` has them too.
"""
