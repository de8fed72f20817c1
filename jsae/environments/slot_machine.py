"""Slot machine (section 5.1, appendix A.4.1): reels that the agent spins by chosen fractions of a full turn."""

import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, MinLen
from torch import Tensor

from jsae.config.doc import Doc
from jsae.config.errors import JsaeError
from jsae.experience.environment import ReferenceReturns

__all__ = ["Reel", "SlotMachine", "advances", "rewards"]

Reel = Annotated[Sequence[Annotated[int, Ge(0)]], MinLen(1)]


class SlotMachine:
    """Several reels, each spun by a chosen fraction of a turn, pay for values shown at least three times.

    ## Description
    Each reel carries a ring of values and shows one of them. In every step the agent chooses a fraction of a full turn
    for each reel at once. The reels are sampled once and fixed for all experiments. Dynamics are deterministic.

    ## Action space
    An action is an integer in [0, moves^reels): one digit in base `moves` for each reel, the first reel's the most
    significant. Digit m spins its reel by m x `fraction` of a turn, which advances a reel of V values by
    floor(m x fraction x V) places, modulo V. Eight moves of 0.1 on four reels are the 4,096 actions of appendix
    A.4.1, which also states a maximum fraction of 0.8: eight moves from 0 end at 0.7, as in public code adapted from
    the authors'. With six values the moves advance 0, 0, 1, 1, 2, 3, 3, 4 places, so 625 actions are distinct.

    ## State and observation space
    The id of the combination of places, in [0, V^reels): one digit in base V for each reel, the first reel's the most
    significant. 6^4 = 1,296 states.

    ## Rewards
    Paid on the new state in every step: the sum over reels of the shown value v_i where v_i is shown on at least
    `minimum_count` (m = 3 in appendix A.4.1) reels.

    ## Start, termination and truncation
    Episodes start with all reels at their first place, never terminate, and are truncated by the caller after
    `episode_length` steps (20 in appendix A.4.1).

    ## Arguments
    Each stands with its meaning and source in the constructor's signature.

    Raises JsaeError for reels of different lengths, for moves of more than a turn, and where no value can ever pay.

    ## Version history
    v0: as described.
    """

    discrete_observations = True
    one_hots = 1
    grid = None
    n_actions: int
    action_size = 0
    reset_noise = 0
    step_noise = 0
    device = torch.device("cpu")

    def __init__(
        self,
        reels: Annotated[
            Sequence[Reel],
            MinLen(1),
            Doc("values of each reel", "A.4.1: drawn once from 0 to 8; these are the public re-implementation's"),
        ],
        *,
        moves: Annotated[
            int, Ge(1), Doc("fractions of a turn to choose from, each reel", "A.4.1: 4,096 actions = 8^4")
        ],
        fraction: Annotated[float, Gt(0), Le(1), Doc("step between fractions of a full turn", "A.4.1")],
        minimum_count: Annotated[int, Ge(1), Doc("m: a value pays if it shows at least so often", "A.4.1")],
        episode_length: Annotated[int, Ge(1), Doc("steps of an episode", "A.4.1")],
    ) -> None:
        lengths = [len(reel) for reel in reels]
        if not lengths or min(lengths) < 1 or len(set(lengths)) > 1:
            raise JsaeError(f"slot_machine: reels have {lengths} values; give each as many, at least 1")
        if (moves - 1) * fraction > 1 + 1e-9:
            raise JsaeError(
                f"slot_machine: moves = {moves} by fraction = {fraction} end at {(moves - 1) * fraction:g} turns, more "
                "than one; lower either"
            )
        if minimum_count > len(reels):
            raise JsaeError(
                f"slot_machine: minimum_count = {minimum_count} is more than the {len(reels)} reels, so that nothing "
                f"ever pays; give at most {len(reels)}"
            )
        self.reels = tuple(tuple(reel) for reel in reels)
        self.values = len(reels[0])
        self.moves = moves
        self.minimum_count = minimum_count
        self.episode_length = episode_length
        self.n_actions = moves ** len(reels)
        self.observation_size = self.values ** len(reels)
        self.n_targets = self.observation_size
        self.places = advances(moves, fraction, self.values)

        distinct, effect_of_move = np.unique(self.places % self.values, return_inverse=True)
        effect_of_action = _numbers(effect_of_move, len(reels), base=len(distinct))
        shown = _digits(self.values, len(reels))  # [S, R]
        advanced = (shown[:, None, :] + distinct[_digits(len(distinct), len(reels))]) % self.values  # [S, effects, R]
        self._effect = torch.from_numpy(effect_of_action)
        self.transitions = torch.from_numpy(advanced @ self.values ** np.arange(len(reels))[::-1])
        self.rewards = torch.from_numpy(rewards(self.reels, minimum_count)).float()

    def to(self, device: torch.device | str) -> Self:
        """Move the tables to a device; returns self."""
        self.device = torch.device(device)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self

    def reset(self, uniforms: Tensor) -> Tensor:
        """State ids [P, N, 1], all reels at their first place, for uniforms [P, N, 0]."""
        return self._effect.new_zeros(*uniforms.shape[:2], 1)

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """State ids [P, N, 1] and action ids [P, N] to next state ids, rewards [P, N] and terminated [P, N]."""
        next_state = self.transitions[state.squeeze(-1), self._effect.take(action)]
        return next_state.unsqueeze(-1), self.rewards.take(next_state), torch.zeros_like(next_state, dtype=torch.bool)

    def observe(self, state: Tensor) -> Tensor:
        """State ids [P, N, 1]."""
        return state

    def target(self, state: Tensor) -> Tensor:
        """The class that Eq. (5) predicts: state ids [P, N]."""
        return state.squeeze(-1)

    def action_effects(self) -> None:
        """None: spins are no motions."""

    def reference_returns(self) -> ReferenceReturns:
        """Both returns without error: see `reference_returns.slot_machine`."""
        from jsae.environments import reference_returns  # no training needs it

        return reference_returns.slot_machine(self)

    def picture(self, state: Tensor) -> np.ndarray:
        """The reels at `state` [1], RGB uint8 [240, 80 x reels, 3]."""
        from jsae.environments.pictures import slot_machine_picture  # draws with Pillow, which no training needs

        places = np.unravel_index(int(state), [self.values] * len(self.reels))
        return slot_machine_picture(self.reels, [int(place) for place in places], self.minimum_count)


def advances(moves: int, fraction: float, values: int) -> np.ndarray:
    """Places by which each move advances a reel of so many values, int64 [moves]."""
    # 0.1 has no finite binary expansion: without the tolerance 0.1 x 5 x 6 could fall just below 3.
    return np.array([math.floor(move * fraction * values + 1e-9) for move in range(moves)])


def rewards(reels: Sequence[Sequence[float]], minimum_count: int) -> np.ndarray:
    """Reward of each combination of places, float64 [V^R]: sum_i v_i 1{n_i >= m} (appendix A.4.1)."""
    places = _digits(len(reels[0]), len(reels))
    shown = np.array(reels, dtype=np.float64)[np.arange(len(reels)), places]  # [S, R]
    counts = (shown[:, :, None] == shown[:, None, :]).sum(-1)
    return np.where(counts >= minimum_count, shown, 0.0).sum(-1)


def _digits(base: int, length: int) -> np.ndarray:
    """Digits of 0 ... base^length - 1, most significant first, int64 [base^length, length]."""
    return np.arange(base**length)[:, None] // base ** np.arange(length)[::-1] % base


def _numbers(digit_of_symbol: np.ndarray, length: int, base: int) -> np.ndarray:
    """Every sequence of so many symbols as a number in `base`, by each symbol's digit, int64 [symbols^length]."""
    return digit_of_symbol[_digits(len(digit_of_symbol), length)] @ base ** np.arange(length)[::-1]
