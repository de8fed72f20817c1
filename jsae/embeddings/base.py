"""What an embedding is, and how one is made, restored and given parts of another."""

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, Protocol

from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.config.registry import load
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.nn.randomness import Streams

__all__ = ["Embedding", "Role", "copy", "embed", "is_continual", "restore", "transfer"]

Role = Literal["paper", "transfer", "ablation", "control", "reading"]
"""What an embedding is for.

| role | what |
|---|---|
| paper | Figure 2 compares it |
| transfer | it takes parts from an embedding of another environment (section 5.4, Figure 2f) |
| ablation | JSAE without one of its parts |
| control | nobody's method: it shows how an agent uses an order of actions that cannot be learnt |
| reading | another form of one of the paper's, which takes its place under a reading |
"""


class Embedding(Protocol):
    """How states and actions are represented, for P runs at once.

    Attributes of the class, which its file sets:

    | attribute | what |
    |---|---|
    | label | its name in figures and prose |
    | color | its colour in figures, #rrggbb; all are distinct for colour-blind readers (Okabe and Ito; Tol) |
    | order | its place in legends: low numbers first |
    | role | what it is for (see Role) |
    | compared_with | name of the embedding that it varies and is compared with; empty for the paper's three |
    | searched_as | name of the embedding whose outcome of the hyper-parameter search it takes: none, ra or jsae |
    | searched | sizes that a search may vary: those that make a difference to it |
    | learnt | whether it has anything to learn |
    | embeds_states | whether it learns a φ |
    | frozen | whether it stays as pre-training left it, even where the environment's embeddings go on learning |
    | transferred | names of the parameters that it takes from another environment |
    | transferred_stay | whether these parameters stay as they are; else they only start from there |
    | transfers_agent | whether actor and critic start from the weights of the other environment's agent |

    Attributes of an instance:

    | attribute | what |
    |---|---|
    | input_size, discrete_inputs | what `represent` gives: ids of a table of input_size rows, or vectors of that size |
    | latent_size | d, the dimension of E, where the policy acts; 0: it picks one of the environment's own actions |
    | parameters | what `loss` is minimised over, `[P, ...]` each; empty: nothing to learn |
    """

    label: ClassVar[str]
    color: ClassVar[str]
    order: ClassVar[int]
    role: ClassVar[Role]
    compared_with: ClassVar[str]
    searched_as: ClassVar[str]
    searched: ClassVar[tuple[str, ...]] = ("state_embedding_size", "action_embedding_size")
    learnt: ClassVar[bool]
    embeds_states: ClassVar[bool] = True
    frozen: ClassVar[bool] = False
    transferred: ClassVar[tuple[str, ...]] = ()
    transferred_stay: ClassVar[bool] = True
    transfers_agent: ClassVar[bool] = False
    input_size: int
    discrete_inputs: bool
    latent_size: int
    parameters: dict[str, Tensor]

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int) -> None: ...

    def represent(self, observation: Tensor) -> Tensor:
        """Inputs of actor and critic, `[P, B, input_size]` or ids `[P, B, f]`, from observations `[P, B, f]`."""

    def to_action(self, latent: Tensor) -> Tensor:
        """f: the environment's actions, `[P, B]` ids or `[P, B, action_size]`, from latent actions `[P, B, ...]`."""

    def loss(self, batch: Transitions) -> Tensor:
        """Mean loss of each run, `[P]`: nats, or squared error where states are vectors."""

    def refresh(self) -> None:
        """Follow the parameters, after they have changed."""

    def chance_loss(self) -> float:
        """`loss` of an embedding that knows nothing, nats; NaN where it is not simply ln of a number of classes."""
        return math.nan

    def action_table(self) -> Tensor | None:
        """The embedding of every action, `[P, actions, d]`, where the policy picks discrete actions in E; else None."""
        return None


def is_continual(name: str, environment_says: bool) -> bool:
    """Whether embedding `name` goes on learning after pre-training: as the environment says, unless it is frozen.

    Raises JsaeError if there is no such embedding.
    """
    found: type[Embedding] = load("embeddings", name)
    return environment_says and not found.frozen


def embed(name: str, environment: Environment, seeds: Sequence[int], state_size: int, action_size: int) -> Embedding:
    """A new embedding of jsae/embeddings/`name`.py, one for each seed, on the environment's device.

    The same seed starts every embedding from the same numbers, so that variants of one differ only in what they change.
    Raises JsaeError if there is no such embedding, or if it cannot be used in this environment.
    """
    found: type[Embedding] = load("embeddings", name)
    return found(Streams(seeds, "embedding", environment.device), environment, state_size, action_size)


def restore(embedding: Embedding, parameters: dict[str, Tensor]) -> None:
    """Give an embedding the parameters that pre-training found."""
    copy(embedding, parameters, embedding.parameters)


def transfer(embedding: Embedding, source: dict[str, Tensor]) -> None:
    """Give an embedding the parts that it takes from one learnt in another environment (section 5.4, Figure 2f).

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
