"""Fitting an embedding: pre-training on random transitions, and continual updating beside the policy (Algorithm 1)."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from jsae.embeddings.batch import Transitions
from jsae.errors import JsaeError
from jsae.networks import Adam
from jsae.randomness import Streams


class Embedding(Protocol):
    """See jsae.embeddings."""

    input_size: int
    discrete_inputs: bool
    choice_size: int
    parameters: dict[str, Tensor]

    def represent(self, observation: Tensor) -> Tensor: ...
    def to_action(self, choice: Tensor) -> Tensor: ...
    def loss(self, batch: Transitions) -> Tensor: ...
    def refresh(self) -> None: ...


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
        """Parameters, optimiser and streams, for a checkpoint."""
        parameters = {f"embedding.{name}": p.detach() for name, p in self._embedding.parameters.items()}
        adam = {f"adam.{name}": tensor for name, tensor in self._adam.tensors().items()}
        return {**parameters, **adam, **self._streams.tensors()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        for name, parameter in self._embedding.parameters.items():
            parameter.detach().copy_(tensors[f"embedding.{name}"])
        self._adam.load({name.removeprefix("adam."): t for name, t in tensors.items() if name.startswith("adam.")})
        self._streams.load(tensors)
        self._embedding.refresh()


@torch.no_grad()
def evaluate(embedding: Embedding, data: Transitions, batch_size: int) -> Tensor:
    """Each member's mean loss over `data`, `[P]`."""
    length = data.observation.shape[1]
    total = torch.zeros(len(data.observation), device=data.observation.device)
    for start in range(0, length, batch_size):
        batch = Transitions(*(field[:, start : start + batch_size] for field in data))
        total += embedding.loss(batch) * batch.observation.shape[1]
    return total / length


def pretrain(
    embedding: Embedding,
    data: Transitions,
    learner: Learner,
    *,
    passes: int,
    batch_size: int,
    validation_share: float,
    patience: int,
    progress: Callable[[int], None] = lambda number: None,
) -> list[tuple[Tensor, Tensor]]:
    """Fit until the held-out loss is flat: a member stops after `patience` passes without a better one.

    The last `validation_share` of each member's transitions is held out. Every member ends with the parameters of its
    best pass. Returns (training loss, held-out loss), `[P]` each, for every pass; a member that has stopped goes on
    repeating its best. Raises JsaeError if a loss is not a number.
    """
    held_out = round(validation_share * data.observation.shape[1])
    training = Transitions(*(field[:, :-held_out] for field in data))
    validation = Transitions(*(field[:, -held_out:] for field in data))
    members = len(data.observation)
    best_loss = evaluate(embedding, validation, batch_size)
    best = {name: parameter.detach().clone() for name, parameter in embedding.parameters.items()}
    best_training, waited = torch.full_like(best_loss, torch.nan), torch.zeros(members, dtype=torch.int64)
    history = []
    for number in range(1, passes + 1):
        training_loss = learner.one_pass(training, batch_size)
        loss = evaluate(embedding, validation, batch_size)
        if not (torch.isfinite(loss).all() and torch.isfinite(training_loss).all()):
            raise JsaeError(f"pre-training: loss is {loss.tolist()} in pass {number}; lower embeddings.learning_rate")
        better = (loss < best_loss) & (waited < patience)
        waited = torch.where(better, 0, waited + 1)
        best_loss = torch.where(better, loss, best_loss)
        best_training = torch.where(better, training_loss, best_training)
        for name, parameter in embedding.parameters.items():
            best[name] = torch.where(better[:, None, None], parameter.detach(), best[name])
        stopped = waited >= patience
        history.append((torch.where(stopped, best_training, training_loss), torch.where(stopped, best_loss, loss)))
        progress(number)
        if bool(stopped.all()):
            break
    for name, parameter in embedding.parameters.items():
        parameter.detach().copy_(best[name])
    embedding.refresh()
    return history
