"""Embeddings that go on learning while an agent does (Algorithm 1)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jsae.config.errors import JsaeError
from jsae.embeddings.learner import Learner
from jsae.library.embedding import StateActionEmbedding
from jsae.library.limits import check_numbers
from jsae.library.threads import one_thread
from jsae.nn.randomness import Streams

__all__ = ["ContinualLearning"]


class ContinualLearning:
    """Learn on from an agent's own transitions, by hand or as a callback of Stable-Baselines3.

        callback = jsae.ContinualLearning(embedding, every=agent.n_steps * agent.n_envs)
        agent.learn(100_000, callback=callback)

    The embedding changes in place, and with it what points mean; its `held_out_loss` stays that of `jsae.fit`. An agent
    that learns from its last transitions alone (PPO, A2C) follows. SAC and other agents with a replay buffer keep old
    x = φ(s) there and should not be given it.

    Args:
        embedding: as a callback: of the EmbeddedEnv that the agent acts in; its environments are in this process.
        every: transitions between two updates: those of a rollout, as Algorithm 1 updates after each epoch.
        epochs: passes over the transitions (public re-implementation: 1 to 5).
        batch_size: transitions of a step (public re-implementation: 64 to 512).
        learning_rate: Adam's (A.4.2).
        weight_decay: Adam's (public re-implementation).
        seed: of the order of minibatches.

    Attribute `losses`: of each update so far, mean over its last pass, in the embedding's unit.

    Raises JsaeError for a number outside its limits; as a callback, if the environment is no EmbeddedEnv.

    Source: Algorithm 1 of the paper; the study does so in the recommender.
    """

    def __init__(
        self,
        embedding: StateActionEmbedding,
        *,
        every: int = 2048,
        epochs: int = 1,
        batch_size: int = 250,
        learning_rate: float = 0.01,
        weight_decay: float = 1e-4,
        seed: int = 0,
    ):
        check_numbers(every=every, epochs=epochs, batch_size=batch_size)
        check_numbers(learning_rate=learning_rate, weight_decay=weight_decay, seed=seed)
        self.embedding, self.every, self.epochs, self.batch_size = embedding, every, epochs, batch_size
        self.losses: list[float] = []
        self._waiting: list[tuple[Any, Any, Any]] = []
        self._learner = Learner(
            embedding.model,
            Streams([seed], "continual embedding"),
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )

    def learn(self, state: ArrayLike, action: ArrayLike, next_state: ArrayLike) -> float:
        """Learn from B transitions, `[B, ...]` each: the mean loss over the last pass.

        Raises JsaeError for what does not belong to the spaces.
        """
        data = self.embedding.transitions(state, action, next_state)
        with one_thread():
            for _ in range(self.epochs):
                loss = float(self._learner.one_epoch(data, self.batch_size)[0])
        self.losses.append(loss)
        return loss

    def __call__(self, local: Mapping[str, Any], world: Mapping[str, Any]) -> bool:
        """What Stable-Baselines3 calls after each step of the agent; it always lets it go on."""
        for info in local["infos"]:
            if "raw_state" not in info:
                raise JsaeError("ContinualLearning: the agent's environment is no jsae.EmbeddedEnv; wrap it in one")
            self._waiting.append((info["raw_state"], info["raw_action"], info["raw_next_state"]))
        if len(self._waiting) >= self.every:
            self.learn(*(np.stack(column) for column in zip(*self._waiting, strict=True)))
            self._waiting.clear()
        return True
