"""Many copies of a Gymnasium environment as one environment of this project: P runs × N episodes."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Self

import gymnasium
import numpy as np
import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.experience.environment import ReferenceReturns
from jsae.library.spaces import Actions, Array, States

__all__ = ["Make", "Vectorised"]

Make = Callable[[], gymnasium.Env[Any, Any]]


class Vectorised:
    """P × N copies, stepped one after the other.

    It is a `jsae.experience.environment.Environment` that keeps the state of its copies itself, so that the calls must
    come in the order of `jsae.experience.rollout.collect`: a reset, which starts all episodes, then steps, each
    followed by a reset of the episodes that the step ended. What it gives as state is the encoded observation.

    A copy that truncates an episode by itself, earlier than after `episode_length` steps, has it ended like a
    terminated one; `truncated` says which these are, for their last states have a value (see jsae.standalone.own). The
    cut after `episode_length` steps is the caller's, as everywhere here.

    Args:
        make: gives a new copy.
        seeds: one a run: they decide all random numbers of its copies.
        num_envs: N.
        episode_length: steps after which the caller cuts episodes.

    Raises JsaeError if a space cannot be used (see jsae.library.spaces).
    """

    grid = None
    reset_noise = step_noise = 0
    device = torch.device("cpu")

    def __init__(self, make: Make, seeds: Sequence[int], num_envs: int, episode_length: int) -> None:
        self.episode_length = episode_length
        self._copies = [[make() for _ in range(num_envs)] for _ in seeds]
        first = self._copies[0][0]
        self.states, self.actions = States.of(first.observation_space), Actions.of(first.action_space)
        self.one_hots = len(self.states.components.sizes) if self.states.components else 0
        self.discrete_observations = self.one_hots > 0
        self.observation_size = self.n_targets = self.states.size
        self.n_actions, self.action_size = self.actions.count, self.actions.size
        self._first_seeds: list[list[int | None]] = [[_seed(seed, n) for n in range(num_envs)] for seed in seeds]
        self._seen = self._room(num_envs)
        self._ended = np.zeros((len(seeds), num_envs), bool)
        self._truncated: list[Array] = []
        self._stepped = False

    def to(self, device: torch.device | str) -> Self:
        """Raises JsaeError if it is not the CPU: Gymnasium's environments are there."""
        if torch.device(device).type != "cpu":
            raise JsaeError(f"environments of Gymnasium run on the CPU, not on {device}")
        return self

    def reset(self, uniforms: Tensor) -> Tensor:
        """Encoded observations [P, N, f], for uniforms [P, N, 0]: all new, or, after a step, where it ended episodes.

        N may be less than `num_envs`: so many episodes run then.
        """
        runs, count = uniforms.shape[:2]
        if self._stepped:
            starting = self._ended & (len(self._truncated) < self.episode_length)  # after the last step, none
        else:
            self._seen, starting, self._truncated = self._room(count), np.ones((runs, count), bool), []
        self._stepped = False
        for run, n in np.argwhere(starting).tolist():
            seed, self._first_seeds[run][n] = self._first_seeds[run][n], None
            self._seen[run, n] = self._copies[run][n].reset(seed=seed)[0]
        return self._encoded()

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Act, [P, N] or [P, N, action_size]; encoded observations [P, N, f], rewards [P, N] and terminated [P, N].

        Raises JsaeError if a copy gives a reward or an observation that is not a finite number.
        """
        shape = tuple(action.shape[:2])
        decoded = self.actions.decode(action.flatten(0, 1).numpy())
        decoded = decoded.reshape(*shape, *decoded.shape[1:])
        rewards, terminated, truncated = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
        for run, copies in enumerate(self._copies):
            for n in range(shape[1]):
                self._seen[run, n], rewards[run, n], terminated[run, n], truncated[run, n], _ = copies[n].step(
                    decoded[run, n]
                )
        self._check("reward", rewards)
        self._truncated.append(truncated & ~terminated & (len(self._truncated) + 1 < self.episode_length))
        self._ended = terminated | self._truncated[-1]
        self._stepped = True
        return self._encoded(), torch.from_numpy(rewards).float(), torch.from_numpy(self._ended.copy())

    @property
    def truncated(self) -> Tensor:
        """Of the episodes that began with the last reset of all: whether a copy truncated by itself, [P, T, N]."""
        return torch.from_numpy(np.stack(self._truncated, 1))

    def observe(self, state: Tensor) -> Tensor:
        """The state itself: ids [P, N, one_hots] or vectors [P, N, observation_size]."""
        return state

    def target(self, state: Tensor) -> Tensor:
        """What Eq. (5) predicts: an id [P, N], ids of components [P, N, one_hots], or a vector [P, N, n_targets]."""
        return torch.from_numpy(self.states.target(state.numpy()))

    def action_effects(self) -> None:
        """None: not known."""

    def reference_returns(self) -> ReferenceReturns:
        """Not known."""
        return ReferenceReturns(None, None, None)

    def close(self) -> None:
        """Close all copies."""
        for copies in self._copies:
            for copy in copies:
                copy.close()

    def _room(self, count: int) -> Array:
        space = self.states.space
        return np.zeros((len(self._copies), count, *(space.shape or ())), space.dtype)

    def _encoded(self) -> Tensor:
        self._check("observation", self._seen)
        encoded = self.states.encode(self._seen.reshape(-1, *self._seen.shape[2:]), "the environment's observation")
        return torch.from_numpy(encoded.reshape(*self._seen.shape[:2], -1))

    def _check(self, what: str, values: Array) -> None:
        if not np.isfinite(values).all():
            raise JsaeError(
                f"the environment gave a {what} that is not a finite number, in step {len(self._truncated)}"
            )


def _seed(run: int, number: int) -> int:
    """Of the first reset of copy `number` of a run; later resets have none, as Gymnasium recommends."""
    entropy = np.random.SeedSequence([run, number, zlib.crc32(b"gymnasium")])
    return int(entropy.generate_state(1, np.uint32)[0] >> 1)
