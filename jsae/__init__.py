"""Joint state-action embedding for efficient reinforcement learning: the study of Pritz, Ma and Leung (2020) as code.

Importing the package registers its environments with Gymnasium, by entry-point strings and without importing torch:
`jsae/Gridworld-v0`, `jsae/SlotMachine-v0` and `jsae/Recommender-v0`, each also as a vector environment.
"""

from gymnasium.envs.registration import register

__version__ = "0.1.0"

for _name, _episode_length in [("Gridworld", 150), ("SlotMachine", 20), ("Recommender", 20)]:
    register(
        id=f"jsae/{_name}-v0",
        entry_point=f"jsae.environments.gymnasium_api:{_name}Env",
        vector_entry_point=f"jsae.environments.gymnasium_api:{_name}VectorEnv",
        max_episode_steps=_episode_length,
    )
