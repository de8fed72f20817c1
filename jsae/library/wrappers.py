"""Environments as a policy sees them through an embedding: observations φ(s), actions e that f turns into its own."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from jsae.config.errors import JsaeError
from jsae.library.embedding import StateActionEmbedding
from jsae.library.spaces import Array

__all__ = ["EmbeddedEnv", "EmbeddedVectorEnv"]


def _check(embedding: StateActionEmbedding) -> None:
    if not isinstance(embedding, StateActionEmbedding):
        raise JsaeError(f"{embedding!r} is no embedding: give what jsae.fit returns, or jsae.load of its file")


class EmbeddedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A single environment whose observations are x = φ(s) and whose actions are points e of E.

    Any agent for continuous actions can act in it; the policy that it learns is π_i of the paper's Figure 1a, and the
    one that acts in the environment is π_o = f ∘ π_i ∘ φ.

    | | with an embedding that learns it | where the kind leaves it raw |
    |---|---|---|
    | observation_space | Box(−1, 1, [m], float32) | the environment's own (ra, action_only) |
    | action_space | Box(−1, 1, [d], float32) | the environment's own (state_only) |

    `info` of every step has besides: `raw_state`, `raw_action` and `raw_next_state`, the transition as the environment
    has it; `reset` gives `raw_next_state` only.

        env = jsae.EmbeddedEnv(gymnasium.make("CartPole-v1"), embedding)

    Args:
        env: with the spaces that the embedding was learnt for.
        embedding: of `jsae.fit` or `jsae.load`.

    Raises JsaeError if the spaces are others, and at a step for an action of another shape or that is not finite.
    Points outside the box are taken as they are.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], embedding: StateActionEmbedding):
        super().__init__(env)
        _check(embedding)
        embedding.check_spaces(env.observation_space, env.action_space)
        self.embedding = embedding
        self.observation_space = embedding.state_space
        self.action_space = embedding.latent_space
        self._state: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._state = _kept(observation)
        return self.embedding.represent(observation), {**info, "raw_next_state": self._state}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Act at a point `[d]` of E."""
        chosen = self.embedding.to_action(action) if self.embedding.embeds_actions else action
        observation, reward, terminated, truncated, info = self.env.step(chosen)
        state, self._state = self._state, _kept(observation)
        raw = {"raw_state": state, "raw_action": chosen, "raw_next_state": self._state}
        return self.embedding.represent(observation), reward, terminated, truncated, {**info, **raw}


class EmbeddedVectorEnv(VectorWrapper):
    """N environments at once whose observations are x = φ(s) `[N, m]` and whose actions are points e `[N, d]` of E.

    Spaces are as those of `EmbeddedEnv`, for N environments. Where the environments start again within a step
    (`AutoresetMode.SAME_STEP`), `info["final_obs"]` is represented too.

        envs = jsae.EmbeddedVectorEnv(gymnasium.make_vec("CartPole-v1", num_envs=8), embedding)

    Args:
        env: with the spaces that the embedding was learnt for.
        embedding: of `jsae.fit` or `jsae.load`.

    Raises JsaeError if the spaces are others, and at a step for actions of another shape or that are not finite.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], embedding: StateActionEmbedding):
        super().__init__(env)
        _check(embedding)
        embedding.check_spaces(env.single_observation_space, env.single_action_space)
        self.embedding = embedding
        self.single_observation_space = embedding.state_space
        self.single_action_space = embedding.latent_space
        self.observation_space = batch_space(embedding.state_space, env.num_envs)
        self.action_space = batch_space(embedding.latent_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start all episodes."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return self.embedding.represent(observations), infos

    def step(self, actions: Any) -> tuple[Array, Any, Any, Any, dict[str, Any]]:
        """Act at points `[N, d]` of E."""
        chosen = self.embedding.to_action(actions) if self.embedding.embeds_actions else actions
        observations, rewards, terminated, truncated, infos = self.env.step(chosen)
        if "final_obs" in infos:
            final = np.empty(self.num_envs, dtype=object)
            for i, last in enumerate(infos["final_obs"]):
                final[i] = None if last is None else self.embedding.represent(last)
            infos = {**infos, "final_obs": final}
        return self.embedding.represent(observations), rewards, terminated, truncated, infos


def _kept(observation: Any) -> Any:
    """A copy where the environment may use its array again."""
    return observation.copy() if isinstance(observation, np.ndarray) else observation
