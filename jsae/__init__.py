"""Joint state-action embedding for efficient reinforcement learning: the study of Pritz, Ma and Leung (2020) as code.

Importing the package registers its environments with Gymnasium, by entry-point strings and without importing torch:
`jsae/Gridworld-v0`, `jsae/SlotMachine-v0` and `jsae/Recommender-v0`.
"""

__version__ = "0.1.0"
