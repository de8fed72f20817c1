"""Search the hyper-parameters of one cell, environment × agent × embedding, by halving its grid (appendix A.4.2).

inputs   params.yaml: search, environments.ENVIRONMENT, agents, embeddings; random transitions of search.cohort;
         the transition model, for the recommender
outputs  results/search/ENVIRONMENT/AGENT-EMBEDDING.parquet: a row a setting, with the epochs that it was trained for
         and its score, the final return as analysis.tables.final takes it, mean over the seeds; null if it diverged

Checkpoints lie in .checkpoints/search, apart from the outputs: the same command goes on where it was stopped.
"""

import itertools
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from jsae.embeddings.learning import kind
from torch import Tensor

from jsae.analysis import search
from jsae.analysis.curves import FINAL_SHARE, Cell
from jsae.analysis.search import Trial
from jsae.config import parameters
from jsae.io import checkpoint, provenance
from jsae.io.files import write_atomically
from jsae.io.workers import runner, shards
from jsae.nn import compiled, devices
from jsae.training.pretraining import pretrain_shard
from jsae.training.trainer import train_shard
from stages import _environments, _main, _pretrainings, _trainings, paths
from stages._pretrainings import Values


class Member(NamedTuple):
    """A setting with one seed."""

    trial: Trial
    seed: int

    @property
    def key(self) -> str:
        return f"{self.trial.changes} {self.seed}"


class Search:
    """The search of a cell; `folder` keeps what has been trained."""

    def __init__(self, settings: parameters.Parameters, cell: Cell):
        self.settings, self.cell = settings, cell
        self.device = devices.chosen(settings.training.device)
        self.run_shards = runner(self.device.type)
        self.environment = _environments.chosen(settings, cell.environment)
        self.seeds = parameters.seeds_of(settings.search.cohort)
        self.samples = paths.samples(cell.environment, settings.search.cohort)
        stated = search.values(settings, cell)
        said = [stated, self.environment, settings.search, settings.embeddings]
        parent = paths.CHECKPOINTS / "search" / cell.environment / f"{cell.agent}-{cell.embedding}"
        self.folder = parent / _trainings.fingerprint(self.environment, cell, said, [self.samples])
        for other in parent.glob("*"):
            if other != self.folder:
                shutil.rmtree(other)

    def values(self, trial: Trial) -> Values:
        """All hyper-parameters of a setting."""
        return search.values(self.settings, self.cell) | trial.changes

    def pretrained(self, trial: Trial) -> Path:
        """Where embeddings of this setting's sizes lie, a row a seed: the same file for every agent."""
        call = self._pretraining(trial, self.seeds)
        key = _trainings.fingerprint(self.environment, self.cell, call, [self.samples], apart_from="jsae.agents")
        return self.folder.parents[1] / "embeddings" / self.cell.embedding / f"{key}.safetensors"

    def pretrain(self, trials: Sequence[Trial]) -> None:
        """Learn the embeddings that are not there yet."""
        todo = {self.pretrained(trial): trial for trial in trials if not self.pretrained(trial).exists()}
        learnt = kind(self.cell.embedding).learnt
        blocks = shards(self.seeds, self.settings.training.members_per_shard.paper) if learnt else []
        calls = [
            {**self._pretraining(trial, block), "device": self.device} for trial in todo.values() for block in blocks
        ]
        total = self.environment.pretraining_passes.paper * len(calls)
        found = iter(self.run_shards(pretrain_shard, calls, total=total, label=f"pretrain {self.cell}"))
        for path in todo:
            checkpoint.save(path, checkpoint.stack([part for part, _ in itertools.islice(found, len(blocks))]))

    def _pretraining(self, trial: Trial, seeds: Sequence[int]) -> dict[str, Any]:
        return _pretrainings.pretraining_call(
            self.settings,
            self.environment,
            self.cell.embedding,
            seeds,
            self.values(trial),
            samples=self.samples,
            rows=[self.seeds.index(seed) for seed in seeds],
            passes=self.environment.pretraining_passes.paper,
        )

    def train(self, rung: int, epochs: int, trials: Sequence[Trial], before: dict[str, Any]) -> dict[str, Any]:
        """Train the trials up to `epochs`, from where `before` left them.

        Both are by Member.key: (file, row) of the finished state of each member.
        """
        places: dict[str, Any] = {}
        calls: list[dict[str, Any]] = []
        for alike in self._alike(trials):
            members = [Member(trial, seed) for trial in alike for seed in self.seeds]
            for block in shards(members, self.settings.search.members_per_shard):
                call = _trainings.training_call(
                    self.settings,
                    self.environment,
                    self.cell,
                    [member.seed for member in block],
                    [self.values(member.trial) for member in block],
                    pretrained=self.pretrained(block[0].trial),
                    rows=[self.seeds.index(member.seed) for member in block],
                    epochs=epochs,
                )
                saved = self.folder / f"rung-{rung}" / f"shard-{len(calls)}.safetensors"
                if before and not saved.exists():
                    checkpoint.save(saved, checkpoint.stack(_states([before[member.key] for member in block])))
                calls.append({**call, "saved": saved, "strict": False, "device": self.device})
                places |= {member.key: (saved, row) for row, member in enumerate(block)}
        label = f"search {self.cell}, {len(trials)} settings to epoch {epochs}"
        self.run_shards(train_shard, calls, total=epochs * len(calls), label=label)
        return places

    def _alike(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """Trials that can be trained as one tensor."""
        groups: dict[str, list[Trial]] = {}
        for trial in trials:
            shape = {name: v for name, v in self.values(trial).items() if name not in _trainings.PER_MEMBER}
            groups.setdefault(repr(shape), []).append(trial)
        return list(groups.values())

    def scores(self, trials: Sequence[Trial], places: dict[str, Any]) -> list[float]:
        """Mean final return of each trial over the seeds; NaN if one of them diverged."""
        final = {}
        for path in {path for path, _ in places.values()}:
            returns = checkpoint.load(path)[0]["history.mean_return"]
            final[path] = [row[-max(1, len(row) // FINAL_SHARE) :].mean().item() for row in returns]
        found = []
        for trial in trials:
            of_seeds = [final[path][row] for path, row in (places[Member(trial, seed).key] for seed in self.seeds)]
            found.append(sum(of_seeds) / len(of_seeds))
        return found


def _states(places: Sequence[tuple[Path, int]]) -> list[dict[str, Tensor]]:
    """The state of a member each, by file and row; every file is read once, and no two are in memory at a time."""
    states: dict[int, dict[str, Tensor]] = {}
    for file in dict.fromkeys(path for path, _ in places):
        whole = checkpoint.load(file)[0]
        states |= {i: checkpoint.rows(whole, [row]) for i, (path, row) in enumerate(places) if path == file}
    return [states[i] for i in range(len(places))]


def main(arguments: Sequence[str]) -> None:
    given = _main.parser(__doc__, "environment", "agent", "embedding").parse_args(arguments)
    cell = Cell(given.environment, given.agent, given.embedding)
    record = paths.record("search", given.environment, f"{given.agent}-{given.embedding}")
    searched = Search(parameters.load(paths.PARAMETERS), cell)
    with provenance.recorded(record, "search", device=devices.name(searched.device)) as facts:
        facts["kernels"] = compiled.kind()
        run(searched)


def run(searched: Search) -> None:
    """Halve the grid and write its table."""
    plan, paper = searched.settings.search, searched.environment.epochs.paper
    trials = search.trials(searched.settings, searched.cell)
    budgets = search.budgets(round(paper * plan.share_of_epochs), plan.rungs, plan.factor)
    searched.pretrain(trials)
    outcome: dict[str, dict[str, Any]] = {}
    alive = trials
    places: dict[str, Any] = {}
    for rung, epochs in enumerate(budgets):
        places = searched.train(rung, epochs, alive, places)
        scored = list(zip(alive, searched.scores(alive, places), strict=True))
        for trial, score in scored:
            outcome[repr(trial.changes)] = row(searched, trial, epochs, score)
        alive = search.survivors(scored, plan.factor)
    cell = searched.cell
    table = pl.DataFrame(list(outcome.values()), schema=search.OUTCOME)
    with write_atomically(paths.searched(cell.environment, cell.agent, cell.embedding)) as temporary:
        table.write_parquet(temporary)
    shutil.rmtree(searched.folder)


def row(searched: Search, trial: Trial, epochs: int, score: float) -> dict[str, Any]:
    """A setting as a row of the table: what was not varied is null."""
    varied = {name: "-".join(map(str, v)) if name == "hidden_sizes" else v for name, v in trial.changes.items()}
    known = {**vars(searched.cell), **varied, "seeds": searched.settings.search.cohort, "epochs": epochs}
    return {name: known.get(name) for name in search.OUTCOME} | {"score": None if math.isnan(score) else score}


if __name__ == "__main__":
    _main.run(main)
