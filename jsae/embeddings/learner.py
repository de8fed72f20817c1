"""How an embedding learns: minibatches of Adam, for pre-training and for continual updating (Algorithm 1)."""

import torch
from torch import Tensor

from jsae.embeddings.base import Embedding
from jsae.experience.trajectories import Transitions
from jsae.io import checkpoint
from jsae.nn.adam import Adam
from jsae.nn.randomness import Streams

__all__ = ["Learner"]


class Learner:
    """Adam on an embedding's loss, minibatch by minibatch; each run's own stream shuffles its transitions.

    Args:
        embedding: has at least one parameter.
        streams: one for each of the P runs.
        learning_rate, weight_decay: Adam's, the same for all runs (A.4.2).
    """

    def __init__(self, embedding: Embedding, streams: Streams, *, learning_rate: float, weight_decay: float):
        self._embedding, self._streams = embedding, streams
        parameters = list(embedding.parameters.values())
        self._adam = Adam(parameters, torch.full((len(parameters[0]),), learning_rate), weight_decay=weight_decay)

    def one_epoch(self, data: Transitions, batch_size: int) -> Tensor:
        """Learn from each transition of `data` once, in shuffled minibatches; each run's mean loss, `[P]`."""
        length = data.observation.shape[1]
        order = self._streams.permutation(length)
        total = torch.zeros(len(order), device=order.device)
        for batch in data.take(order).minibatches(batch_size):
            loss = self._embedding.loss(batch)
            loss.sum().backward()
            self._adam.step()
            total += loss.detach() * batch.observation.shape[1]
        self._embedding.refresh()
        return total / length

    def tensors(self) -> dict[str, Tensor]:
        """State of optimiser and streams, for a checkpoint; the embedding has the parameters."""
        return {**checkpoint.prefixed("adam", self._adam.tensors()), **self._streams.tensors()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        self._adam.load(checkpoint.under("adam", tensors))
        self._streams.load(tensors)
