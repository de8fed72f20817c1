"""Pre-training of embeddings on transitions of the random policy (section 4.3.1, appendix A.4.2)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.embeddings.base import Embedding, embed, transfer
from jsae.embeddings.learner import Learner
from jsae.experience.environment import build
from jsae.experience.samples import load_samples
from jsae.experience.trajectories import Transitions
from jsae.io import checkpoint
from jsae.nn.randomness import Streams


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
    best_loss = evaluate(embedding, validation, batch_size)
    best = {name: parameter.detach().clone() for name, parameter in embedding.parameters.items()}
    best_training, waited = torch.full_like(best_loss, torch.nan), torch.zeros_like(best_loss, dtype=torch.int64)
    history = []
    for number in range(1, passes + 1):
        training_loss = learner.one_epoch(training, batch_size)
        loss = evaluate(embedding, validation, batch_size)
        if not (torch.isfinite(loss).all() and torch.isfinite(training_loss).all()):
            raise JsaeError(f"pre-training: loss is {loss.tolist()} in pass {number}; lower embeddings.learning_rate")
        better = (loss < best_loss) & (waited < patience)
        waited = torch.where(better, 0, waited + 1)
        best_loss = torch.where(better, loss, best_loss)
        best_training = torch.where(better, training_loss, best_training)
        for name, parameter in embedding.parameters.items():
            chosen = better.view(-1, *(1,) * (parameter.dim() - 1))
            best[name] = torch.where(chosen, parameter.detach(), best[name])
        stopped = waited >= patience
        history.append((torch.where(stopped, best_training, training_loss), torch.where(stopped, best_loss, loss)))
        progress(number)
        if bool(stopped.all()):
            break
    for name, parameter in embedding.parameters.items():
        parameter.detach().copy_(best[name])
    embedding.refresh()
    return history


def pretrain_shard(
    *,
    module: str,
    dynamics: dict[str, Any],
    embedding: str,
    sizes: tuple[int, int],
    samples: Path,
    source: Path | None,
    rows: list[int],
    seeds: Sequence[int],
    learning_rate: float,
    weight_decay: float,
    passes: int,
    batch_size: int,
    validation_share: float,
    patience: int,
    device: torch.device,
    progress: Callable[[int], None],
) -> tuple[dict[str, Tensor], list[tuple[list[float], list[float]]]]:
    """Pre-train one shard's embeddings on `rows` of the file `samples`, one row a member.

    The same rows of the file `source` hold the embeddings that parts are taken over from, where any are.
    Returns parameters `[P, ...]` and, for each pass, the members' training and held-out losses.
    """
    built = embed(embedding, build(module, dynamics, device), seeds, *sizes)
    if not built.parameters:
        return {}, []
    if source is not None:
        transfer(built, {name: parameter[rows] for name, parameter in checkpoint.load(source)[0].items()})
    data = Transitions(*(field[rows].to(device) for field in load_samples(samples)))
    learner = Learner(
        built,
        Streams(seeds, "pre-training", device),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )
    history = pretrain(
        built,
        data,
        learner,
        passes=passes,
        batch_size=batch_size,
        validation_share=validation_share,
        patience=patience,
        progress=lambda number: progress(1),
    )
    losses = [(training.tolist(), held_out.tolist()) for training, held_out in history]
    return {name: parameter.detach() for name, parameter in built.parameters.items()}, losses
