"""How an embedding learns: minibatches of Adam, for pre-training and for continual updating (Algorithm 1)."""

import importlib
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.io import checkpoint
from jsae.nn.adam import Adam
from jsae.nn.randomness import Streams


class Embedding(Protocol):
    """What every embedding has (see jsae.embeddings), and what most of them are."""

    learnt: ClassVar[bool]
    continual: ClassVar[bool | None] = None
    transferred: ClassVar[tuple[str, ...]] = ()
    transferred_stay: ClassVar[bool] = True
    transfers_agent: ClassVar[bool] = False
    input_size: int
    discrete_inputs: bool
    choice_size: int
    parameters: dict[str, Tensor]

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int) -> None: ...
    def represent(self, observation: Tensor) -> Tensor: ...
    def to_action(self, choice: Tensor) -> Tensor: ...
    def loss(self, batch: Transitions) -> Tensor: ...
    def refresh(self) -> None: ...

    def action_table(self) -> Tensor | None:
        """Where the policy chooses discrete actions in E, the embedding of each, `[P, actions, d]`."""
        return None


def kind(name: str) -> type[Embedding]:
    """The class of jsae/embeddings/`name`.py. Raises JsaeError if there is none."""
    try:
        found: type[Embedding] = importlib.import_module(f"jsae.embeddings.{name}").Embedding
    except ModuleNotFoundError:
        raise JsaeError(f"there is no jsae/embeddings/{name}.py: write it, or mend the name in params.yaml") from None
    return found


def is_continual(name: str, environment_says: bool) -> bool:
    """Whether embedding `name` goes on learning after pre-training: as the environment says, if it has no own mind."""
    own = kind(name).continual
    return environment_says if own is None else own


def embed(name: str, environment: Environment, seeds: Sequence[int], state_size: int, action_size: int) -> Embedding:
    """A new embedding of jsae/embeddings/`name`.py, one for each seed, where the environment is.

    The same seed starts every embedding from the same numbers, so that variants of one differ by what they change only.
    """
    return kind(name)(Streams(seeds, "embedding", environment.device), environment, state_size, action_size)


def restore(embedding: Embedding, parameters: dict[str, Tensor]) -> None:
    """Give an embedding the parameters that pre-training found."""
    copy(embedding, parameters, embedding.parameters)


def transfer(embedding: Embedding, source: dict[str, Tensor]) -> None:
    """Give an embedding the parts that it takes over from one learnt in another environment (section 5.4, Figure 2f).

    Raises JsaeError if a part has another shape there.
    """
    for name in embedding.transferred:
        here, there = embedding.parameters[name].shape, source[name].shape
        if here != there:
            raise JsaeError(
                f"transfer: {name} is {list(there)} in the old environment and {list(here)} in the new one; "
                "both need the same states and embedding sizes"
            )
    copy(embedding, source, embedding.transferred)


def copy(embedding: Embedding, parameters: dict[str, Tensor], names: Iterable[str]) -> None:
    """Copy the named parameters into an embedding."""
    for name in names:
        embedding.parameters[name].detach().copy_(parameters[name])
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
