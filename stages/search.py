"""Search the hyper-parameters of one cell, environment × agent × embedding, by halving its grid (appendix A.4.2).

inputs   the environment; random transitions of the seeds that choose
outputs  a table with a row a setting: its seeds, the epochs that it was trained for and its score, the final return as
         the table `final` takes it, mean over the seeds; null if it diverged

Checkpoints are in .checkpoints/search, apart from the outputs: the same command resumes where it was stopped.
"""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor

from jsae.analysis import search
from jsae.analysis.schema import FINAL_SHARE
from jsae.analysis.search import Trial
from jsae.config.study import Cell
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.files import read_json, write_atomically, write_json
from jsae.io.workers import batches, runner
from jsae.nn import compiled, devices
from jsae.training.jobs import PretrainingJob, TrainingJob
from jsae.training.trainer import Continual
from stages import _main

PER_RUN = ("initial_standard_deviation", "actor_learning_rate", "critic_learning_rate")
"""Hyper-parameters in which runs of one batch may differ."""


class Run(NamedTuple):
    """A setting with one seed."""

    trial: Trial
    seed: int

    @property
    def key(self) -> str:
        return f"{self.trial.changes} {self.seed}"


Places = dict[str, tuple[Path, int]]
"""By Run.key: the file and the row of a run's state."""


class Search:
    """The search of a cell; `folder` keeps what has been trained."""

    def __init__(self, declared: Declared):
        self.declared, self.cell = declared, Cell(**declared.values["cell"])
        self.device = devices.chosen(declared.values["device"])
        names = ("combined", "spread", "not_applicable", "settings", "seeds", "seeds_per_setting")
        self.trials = search.trials(
            declared.values["grid"], **{name: declared.values[name] for name in names}, key=self.cell.environment
        )
        self.seeds = sorted({seed for trial in self.trials for seed in trial.seeds})
        files = [declared.input("environment"), declared.input("samples")]
        key = checkpoint.fingerprint([declared.content, torch.__version__, compiled.kind()], files)
        self.folder = declared.scratch / key
        for other in declared.scratch.glob("*"):
            if other != self.folder:
                shutil.rmtree(other)
        self.seconds_before = seconds_before(self.folder)

    def values(self, trial: Trial) -> dict[str, Any]:
        """All hyper-parameters of a setting."""
        return {**self.declared.values["stated"], **trial.changes}

    def pretrained(self, trial: Trial) -> Path | None:
        """Where embeddings of this setting's sizes are, a row a seed; None if there is nothing to learn."""
        if self.declared.values["pretraining"] is None:
            return None
        values = self.values(trial)
        return (
            self.folder / f"embeddings-{values['state_embedding_size']}-{values['action_embedding_size']}.safetensors"
        )

    def pretrain(self, trials: Sequence[Trial]) -> None:
        """Learn the embeddings that are not there yet."""
        pretraining = self.declared.values["pretraining"]
        todo = {path: trial for trial in trials if (path := self.pretrained(trial)) and not path.exists()}
        jobs = {
            path: PretrainingJob(
                environment=self.declared.input("environment"),
                samples=self.declared.input("samples"),
                embedding=self.cell.embedding,
                state_size=self.values(trial)["state_embedding_size"],
                action_size=self.values(trial)["action_embedding_size"],
                seeds=tuple(self.seeds),
                rows=tuple(map(self.declared.values["seeds"].index, self.seeds)),
                source=None,
                device=str(self.device),
                **pretraining,
            )
            for path, trial in todo.items()
        }
        total = sum(job.epochs for job in jobs.values())
        results = runner(self.device.type)(list(jobs.values()), total=total, label=f"pretrain {self.cell}")
        for path, result in zip(jobs, results, strict=True):
            checkpoint.save(path, result.parameters)

    def train(self, rung: int, epochs: int, trials: Sequence[Trial], before: Mapping[str, Any]) -> Places:
        """Train the trials up to `epochs`, from where `before` left them; both say where each run's state is."""
        places: Places = {}
        jobs: list[TrainingJob] = []
        for alike in self._alike(trials):
            runs = [Run(trial, seed) for trial in alike for seed in trial.seeds]
            for block in batches(runs, self.declared.values["runs_per_batch"]):
                saved = self.folder / f"rung-{rung}" / f"batch-{len(jobs)}.safetensors"
                if before and not saved.exists():
                    checkpoint.save(saved, checkpoint.stack(_states([before[run.key] for run in block])))
                jobs.append(self._training(block, epochs, saved))
                places |= {run.key: (saved, row) for row, run in enumerate(block)}
        label = f"search {self.cell}, {len(trials)} settings to epoch {epochs}"
        runner(self.device.type)(jobs, total=epochs * len(jobs), label=label)
        return places

    def _training(self, runs: Sequence[Run], epochs: int, saved: Path) -> TrainingJob:
        training, values = self.declared.values["training"], [self.values(run.trial) for run in runs]
        first, continual = values[0], training["continual"]
        others = {*PER_RUN, "state_embedding_size", "action_embedding_size", "hidden_sizes"}
        return TrainingJob(
            environment=self.declared.input("environment"),
            embedding=self.cell.embedding,
            state_size=first["state_embedding_size"],
            action_size=first["action_embedding_size"],
            pretrained=self.pretrained(runs[0].trial),
            rows=tuple(self.seeds.index(run.seed) for run in runs),
            agent=self.cell.agent,
            agent_parameters={name: value for name, value in first.items() if name not in others},
            seeds=tuple(run.seed for run in runs),
            num_envs=training["num_envs"],
            hidden_sizes=tuple(first["hidden_sizes"]),
            initial_standard_deviations=tuple(own["initial_standard_deviation"] for own in values),
            actor_learning_rates=tuple(own["actor_learning_rate"] for own in values),
            critic_learning_rates=tuple(own["critic_learning_rate"] for own in values),
            reward_scale=training["reward_scale"],
            continual=None if continual is None else Continual(**continual),
            epochs=epochs,
            source=None,
            saved=saved,
            device=str(self.device),
            strict=False,
        )

    def _alike(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """Trials that can be trained as one tensor."""
        groups: dict[str, list[Trial]] = {}
        for trial in trials:
            shape = {name: value for name, value in self.values(trial).items() if name not in PER_RUN}
            groups.setdefault(repr(shape), []).append(trial)
        return list(groups.values())

    def scores(self, trials: Sequence[Trial], places: Places) -> list[float]:
        """Mean final return of each trial over the seeds; NaN if one of them diverged."""
        final = {}
        for path in {path for path, _ in places.values()}:
            returns = checkpoint.load(path)[0]["history.mean_return"]
            final[path] = [row[-max(1, len(row) // FINAL_SHARE) :].mean().item() for row in returns]
        found = []
        for trial in trials:
            of_seeds = [final[path][row] for path, row in (places[Run(trial, seed).key] for seed in trial.seeds)]
            found.append(sum(of_seeds) / len(of_seeds))
        return found


def seconds_before(folder: Path) -> float:
    """What this search took until it was stopped, the last time as far as its last checkpoint; 0 if it never was."""
    note = folder / "begun.json"
    before = 0.0
    if note.exists():
        last = max(path.stat().st_mtime for path in folder.rglob("*"))
        before = read_json(note)["seconds_before"] + last - note.stat().st_mtime
    write_json({"seconds_before": before}, note)
    return before


def _states(places: Sequence[tuple[Path, int]]) -> list[dict[str, Tensor]]:
    """The state of a run each, by file and row; every file is read once, and no two are in memory at a time."""
    states: dict[int, dict[str, Tensor]] = {}
    for file in dict.fromkeys(path for path, _ in places):
        whole = checkpoint.load(file)[0]
        states |= {i: checkpoint.rows(whole, [row]) for i, (path, row) in enumerate(places) if path == file}
    return [states[i] for i in range(len(places))]


def main(declared: Declared) -> dict[str, Any]:
    searched, values = Search(declared), declared.values
    searched.pretrain(searched.trials)
    outcome: dict[str, dict[str, Any]] = {}
    alive = searched.trials
    places: Places = {}
    for rung, epochs in enumerate(search.budgets(values["epochs"], values["first_rung"])):
        places = searched.train(rung, epochs, alive, places)
        scored = list(zip(alive, searched.scores(alive, places), strict=True))
        for trial, score in scored:
            outcome[repr(trial.changes)] = row(searched, trial, epochs, score)
        alive = search.survivors(scored, values["factor"])
    table = pl.DataFrame(list(outcome.values()), schema=search.OUTCOME)
    with write_atomically(declared.outputs["table"]) as temporary:
        table.write_parquet(temporary)
    shutil.rmtree(searched.folder)
    before = round(searched.seconds_before, 3)
    return {"device": devices.name(searched.device), "kernels": compiled.kind(), "seconds_before": before}


def row(searched: Search, trial: Trial, epochs: int, score: float) -> dict[str, Any]:
    """A setting as a row of the table: what was not varied is null."""
    varied = {name: "-".join(map(str, v)) if name == "hidden_sizes" else v for name, v in trial.changes.items()}
    known = {**vars(searched.cell), **varied, "seeds": " ".join(map(str, trial.seeds)), "epochs": epochs}
    return {name: known.get(name) for name in search.OUTCOME} | {"score": None if math.isnan(score) else score}


if __name__ == "__main__":
    _main.run(main)
