"""How an embedding learns: minibatches of Adam, for pre-training and for continual updating (Algorithm 1)."""

import importlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from jsae import checkpoint
from jsae.networks import Adam
from jsae.randomness import Streams
from jsae.rollout import Environment, Transitions


class Embedding(Protocol):
    """See jsae.embeddings."""

    learnt: bool
    input_size: int
    discrete_inputs: bool
    choice_size: int
    parameters: dict[str, Tensor]

    def represent(self, observation: Tensor) -> Tensor: ...
    def to_action(self, choice: Tensor) -> Tensor: ...
    def loss(self, batch: Transitions) -> Tensor: ...
    def refresh(self) -> None: ...


def is_learnt(name: str) -> bool:
    """Whether jsae/embeddings/`name`.py has anything to learn."""
    learnt: bool = importlib.import_module(f"jsae.embeddings.{name}").Embedding.learnt
    return learnt


def embed(name: str, environment: Environment, seeds: Sequence[int], state_size: int, action_size: int) -> Embedding:
    """A new embedding of jsae/embeddings/`name`.py, one for each seed."""
    module = importlib.import_module(f"jsae.embeddings.{name}")
    embedding: Embedding = module.Embedding(Streams(seeds, f"embedding {name}"), environment, state_size, action_size)
    return embedding


def restore(embedding: Embedding, parameters: dict[str, Tensor]) -> None:
    """Give an embedding the parameters that pre-training found."""
    for name, parameter in embedding.parameters.items():
        parameter.detach().copy_(parameters[name])
    embedding.refresh()


class Learner:
    """Adam on an embedding's loss, minibatch by minibatch, shuffled by each member's own stream."""

    def __init__(
        self, embedding: Embedding, streams: Streams, *, learning_rate: float, weight_decay: float, members: int
    ):
        self._embedding, self._streams = embedding, streams
        self._adam = Adam(
            list(embedding.parameters.values()), torch.full((members,), learning_rate), weight_decay=weight_decay
        )

    def one_pass(self, data: Transitions, batch_size: int) -> Tensor:
        """One pass over `data` in shuffled minibatches; returns each member's mean loss, `[P]`."""
        length = data.observation.shape[1]
        order = self._streams.permutation(length)
        total = torch.zeros(len(order), device=order.device)
        for start in range(0, length, batch_size):
            rows = order[:, start : start + batch_size]
            loss = self._embedding.loss(data.take(rows))
            loss.sum().backward()
            self._adam.step()
            total += loss.detach() * rows.shape[1]
        self._embedding.refresh()
        return total / length

    def tensors(self) -> dict[str, Tensor]:
        """Optimiser and streams, for a checkpoint; the parameters are the embedding's."""
        return {**checkpoint.prefixed("adam", self._adam.tensors()), **self._streams.tensors()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        self._adam.load(checkpoint.under("adam", tensors))
        self._streams.load(tensors)
