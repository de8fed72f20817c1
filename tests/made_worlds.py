"""The gridworld and slot machine of the study, written out: tests must not follow a change of params.yaml."""

from typing import Any

from jsae.environments.gridworld import Gridworld
from jsae.environments.slot_machine import SlotMachine

REELS = [[2, 3, 6, 7, 0, 4], [3, 4, 6, 2, 1, 7], [1, 6, 5, 3, 4, 7], [5, 1, 4, 2, 6, 0]]
GRIDWORLD: dict[str, Any] = {
    "actuators": 4,
    "discrete": False,
    "bins": 40,
    "walls": [(0.0, 0.375, 0.5, 0.4), (0.5, 0.375, 0.525, 0.75)],
    "goal": (0.125, 0.625, 0.175, 0.675),
    "start": (0.3, 0.1),
    "sub_steps": 4,
    "sub_step_length": 0.045,
    "step_reward": -0.01,
    "collision_reward": -0.05,
    "goal_reward": 1.0,
    "episode_length": 150,
}
SLOT_MACHINE: dict[str, Any] = {
    "reels": REELS,
    "moves": 8,
    "fraction": 0.1,
    "minimum_count": 3,
    "episode_length": 20,
}
TINY_GRIDWORLD = GRIDWORLD | {
    "discrete": True,
    "bins": 10,
    "walls": [[0.0, 0.4, 0.5, 0.5]],
    "goal": [0.1, 0.6, 0.3, 0.8],
    "episode_length": 12,
}
"""What a training of a second or less needs."""


def gridworld(**changes: Any) -> Gridworld:
    """The study's gridworld with four actuators, and with `changes`."""
    return Gridworld(**(GRIDWORLD | changes))


def slot_machine(**changes: Any) -> SlotMachine:
    """The study's slot machine, with `changes`."""
    return SlotMachine(**(SLOT_MACHINE | changes))
