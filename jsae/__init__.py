"""Joint state-action embedding for efficient reinforcement learning: the study of Pritz, Ma and Leung (2020) as code.

Importing the package registers its environments with Gymnasium, by entry-point strings and without importing torch:
`jsae/Gridworld-v0`, `jsae/SlotMachine-v0` and `jsae/Recommender-v0`, each also as a vector environment.
What the library offers (`jsae.fit`, `jsae.train`, ...) is in `jsae.api`, and imported when it is first used.
"""

from importlib import import_module
from typing import Any

from gymnasium.envs.registration import register

__version__ = "0.2.0"

for _name, _module, _episode_length in [
    ("Gridworld", "gridworld", 150),
    ("SlotMachine", "slot_machine", 20),
    ("Recommender", "recommender", 20),
]:
    register(
        id=f"jsae/{_name}-v0",
        entry_point="jsae.environments.gymnasium_api:BatchedEnv",
        vector_entry_point="jsae.environments.gymnasium_api:BatchedVectorEnv",
        max_episode_steps=_episode_length,
        kwargs={"module": _module},
    )


def __getattr__(name: str) -> Any:
    """A name of jsae.api."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("jsae.api"), name)
