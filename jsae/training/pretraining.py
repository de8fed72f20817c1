"""Pre-training of embeddings on transitions of the random policy (section 4.3.1, appendix A.4.2)."""

from collections.abc import Callable

import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.embeddings.base import Embedding
from jsae.embeddings.learner import Learner
from jsae.experience.trajectories import Transitions

__all__ = ["evaluate", "levelled_off", "pretrain"]


@torch.no_grad()
def evaluate(embedding: Embedding, data: Transitions, batch_size: int) -> Tensor:
    """Each run's mean loss over `data`, `[P]`."""
    length = data.observation.shape[1]
    total = torch.zeros(len(data.observation), device=data.observation.device)
    for batch in data.minibatches(batch_size):
        total += embedding.loss(batch) * batch.observation.shape[1]
    return total / length


def levelled_off(losses: Tensor, window: int, minimum_improvement: float) -> Tensor:
    """Whether each run's loss has stopped falling, `[P]` bool.

    It has if the lowest loss of the last `window` epochs is not lower than the lowest one before them by more than the
    share `minimum_improvement` of the latter.

    Args:
        losses: `[P, 1 + epochs]`, at least 0: before learning, then after every epoch. None has levelled off before
            `window` epochs are behind it.
    """
    if losses.shape[1] <= window:
        return torch.zeros(len(losses), dtype=torch.bool, device=losses.device)
    before, recent = losses[:, :-window].amin(1), losses[:, -window:].amin(1)
    return recent >= (1 - minimum_improvement) * before


def pretrain(
    embedding: Embedding,
    data: Transitions,
    learner: Learner,
    *,
    epochs: int,
    batch_size: int,
    validation_share: float,
    window: int,
    minimum_improvement: float,
    progress: Callable[[int], None] = lambda units: None,
) -> tuple[Tensor, Tensor]:
    """Fit until the held-out loss is flat: a run stops once it has levelled off (see `levelled_off`).

    The last `validation_share` of each run's transitions is held out. Every run ends with the parameters of its best
    epoch. A run that has stopped repeats the losses of its best epoch until the last run stops.

    Args:
        data: `[P, B, ...]` transitions, each run's own.
        learner: of `embedding`.
        epochs: passes over the transitions at most.
        batch_size: transitions of a step.
        window: gradient steps, which are so many whole epochs.
        minimum_improvement: of `levelled_off`; with 0, a run stops after `window` steps without a lower loss.
        progress: called with 1 after every epoch.

    Returns:
        Training and held-out loss of every epoch, `[P, epochs]` each: nats, or squared error where states are vectors.

    Raises JsaeError if a loss is not a number.
    """
    held_out = round(validation_share * data.observation.shape[1])
    training = Transitions(*(field[:, :-held_out] for field in data))
    validation = Transitions(*(field[:, -held_out:] for field in data))
    steps = -(-training.observation.shape[1] // batch_size)
    window_epochs = -(-window // steps)
    best_loss = evaluate(embedding, validation, batch_size)
    best = {name: parameter.detach().clone() for name, parameter in embedding.parameters.items()}
    best_training, stopped = torch.full_like(best_loss, torch.nan), torch.zeros_like(best_loss, dtype=torch.bool)
    losses, history = best_loss[:, None], []
    for epoch in range(1, epochs + 1):
        training_loss = learner.one_epoch(training, batch_size)
        loss = evaluate(embedding, validation, batch_size)
        if not (torch.isfinite(loss).all() and torch.isfinite(training_loss).all()):
            raise JsaeError(f"pre-training: loss is {loss.tolist()} in epoch {epoch}; lower embeddings.learning_rate")
        better = (loss < best_loss) & ~stopped
        best_loss = torch.where(better, loss, best_loss)
        best_training = torch.where(better, training_loss, best_training)
        for name, parameter in embedding.parameters.items():
            improved = better.view(-1, *(1,) * (parameter.dim() - 1))
            best[name] = torch.where(improved, parameter.detach(), best[name])
        losses = torch.cat([losses, loss[:, None]], 1)
        stopped = stopped | levelled_off(losses, window_epochs, minimum_improvement)
        history.append((torch.where(stopped, best_training, training_loss), torch.where(stopped, best_loss, loss)))
        progress(1)
        if bool(stopped.all()):
            break
    for name, parameter in embedding.parameters.items():
        parameter.detach().copy_(best[name])
    embedding.refresh()
    training_losses, held_out_losses = (torch.stack(column, 1) for column in zip(*history, strict=True))
    return training_losses, held_out_losses
