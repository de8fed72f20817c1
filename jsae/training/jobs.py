"""What a worker process does: pre-train or train a batch of runs, from files to a result.

A job is a value: equal jobs give equal results, to the bit on one kind of machine. Its files hold what it reads; the
rest of it is numbers and names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.embeddings.base import Embedding, embed, restore, transfer
from jsae.embeddings.learner import Learner
from jsae.experience.environment import Environment, load_environment
from jsae.experience.samples import load_samples
from jsae.experience.trajectories import Transitions
from jsae.io import checkpoint
from jsae.nn.randomness import Streams
from jsae.training.pretraining import pretrain
from jsae.training.trainer import CHECKPOINT_SECONDS, Settings, Trainer, train

__all__ = ["PretrainingJob", "PretrainingResult", "Progress", "TrainingJob"]

Progress = Callable[[int], None]
"""Called with n as n more epochs are done."""


class PretrainingResult(NamedTuple):
    """What pre-training gives.

    | field | shape | what |
    |---|---|---|
    | parameters | [P, ...] each | of the embedding, by name, on the CPU |
    | training_loss, held_out_loss | [P, epochs] | of every epoch, on the CPU: nats, or squared error of vectors |
    """

    parameters: dict[str, Tensor]
    training_loss: Tensor
    held_out_loss: Tensor


@dataclass(frozen=True, kw_only=True)
class PretrainingJob:
    """Pre-train the embeddings of a batch of runs on transitions of the random policy (section 4.3.1, A.4.2).

    | field | what |
    |---|---|
    | environment | file of jsae.experience.environment.load_environment |
    | samples | file of jsae.experience.samples, with a row of transitions for each seed of the seed block |
    | embedding, state_size, action_size | file of jsae/embeddings; m and d |
    | seeds | one a run |
    | rows | of each run, in `samples` and in `source` |
    | epochs, batch_size, learning_rate, weight_decay, validation_share | see pretrain and Learner |
    | window, minimum_improvement | a run stops once its loss has levelled off: see pretrain |
    | source | file of the embeddings of another environment, where parts are taken from them; else None |
    | device | cpu or cuda |
    """

    environment: Path
    samples: Path
    embedding: str
    state_size: int
    action_size: int
    seeds: tuple[int, ...]
    rows: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    validation_share: float
    window: int
    minimum_improvement: float
    source: Path | None
    device: str

    def run(self, progress: Progress) -> PretrainingResult:
        """Pre-train. An embedding without parameters gives none, and losses of no epoch.

        Raises JsaeError if a file is missing or damaged, if the parts of `source` have other shapes, or if a loss is
        not a number.
        """
        device = torch.device(self.device)
        environment = load_environment(self.environment, device)
        embedding = embed(self.embedding, environment, self.seeds, self.state_size, self.action_size)
        if not embedding.parameters:
            return PretrainingResult({}, torch.empty(len(self.seeds), 0), torch.empty(len(self.seeds), 0))
        if self.source is not None:
            transfer(embedding, _rows(self.source, self.rows))
        data = Transitions(*(field[list(self.rows)].to(device) for field in load_samples(self.samples)))
        learner = Learner(
            embedding,
            Streams(self.seeds, "pre-training", device),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        training_loss, held_out_loss = pretrain(
            embedding,
            data,
            learner,
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation_share=self.validation_share,
            window=self.window,
            minimum_improvement=self.minimum_improvement,
            progress=progress,
        )
        parameters = {name: parameter.detach().cpu() for name, parameter in embedding.parameters.items()}
        return PretrainingResult(parameters, training_loss.cpu(), held_out_loss.cpu())


@dataclass(frozen=True, kw_only=True)
class TrainingJob(Settings):
    """Train a batch of runs of one cell up to `epochs` (Algorithm 1). Fields that are not here are those of Settings.

    | field | what |
    |---|---|
    | environment | file of jsae.experience.environment.load_environment |
    | embedding, state_size, action_size | file of jsae/embeddings; m and d |
    | pretrained | file of the pre-trained embeddings; None: the embedding has no parameters |
    | rows | of each run, in `pretrained` and in `source` |
    | agent | file of jsae/agents |
    | seeds | one a run |
    | epochs | of the whole training |
    | source | file of the weights that the agents start from, of a training in another environment; else None |
    | saved | file of the state: the training goes on from it if it is there, and leaves the finished state in it |
    | device | cpu or cuda |
    | strict | a number that stops being finite is an error; else its run goes on, with NaN as its mean_return |
    | checkpoint_seconds | pause between checkpoints; it changes no result |
    """

    environment: Path
    embedding: str
    state_size: int
    action_size: int
    pretrained: Path | None
    rows: tuple[int, ...]
    agent: str
    seeds: tuple[int, ...]
    epochs: int
    source: Path | None
    saved: Path
    device: str
    strict: bool = True
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    def run(self, progress: Progress) -> None:
        """Train, and leave the finished state in `saved`.

        Raises JsaeError if a file is missing or damaged, if the weights of `source` have other shapes, or, naming seed
        and epoch, if a number stops being finite and `strict` is on.
        """
        environment = load_environment(self.environment, torch.device(self.device))
        trainer = Trainer(environment, self._embedding(environment), self.agent, self.seeds, self, strict=self.strict)
        if self.source is not None:
            trainer.start_from(_rows(self.source, self.rows))
        train(trainer, self.epochs, self.saved, progress, self.checkpoint_seconds)

    def _embedding(self, environment: Environment) -> Embedding:
        embedding = embed(self.embedding, environment, self.seeds, self.state_size, self.action_size)
        if self.pretrained is not None:
            restore(embedding, _rows(self.pretrained, self.rows))
        elif embedding.parameters:
            raise JsaeError(f"training: the embedding {self.embedding} has parameters: name its pre-trained file")
        return embedding


def _rows(path: Path, rows: tuple[int, ...]) -> dict[str, Tensor]:
    return checkpoint.rows(checkpoint.load(path)[0], list(rows))
