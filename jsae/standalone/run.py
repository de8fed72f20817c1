"""Train one run of the study in a folder of its own, as the stages do for its whole block of seeds.

The same settings and seed give the very numbers of that run in the study, on one kind of machine: each run has its own
random streams, and no number depends on which runs share its batch.

| file of the folder | what |
|---|---|
| settings.json | what the run is made with |
| environment.safetensors | the environment |
| embeddings.safetensors, losses.parquet | the pre-trained embedding and its losses; absent where nothing is learnt |
| checkpoint.safetensors | the state of the training |
| curves.parquet, weights.safetensors | as the stage `train` writes them; up to the epoch at which it was stopped |
| source/ | the run in another environment that a transfer starts from |
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from torch import Tensor

from jsae.config import layout, registry
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.embeddings.base import embed, restore
from jsae.experience.environment import load_environment, save_environment
from jsae.experience.samples import random_transitions, save_samples
from jsae.io import checkpoint, table
from jsae.io.files import read_json, write_json
from jsae.library.threads import one_thread
from jsae.nn import devices
from jsae.purchases import filter as purchases
from jsae.purchases import ngram, sources
from jsae.standalone.curves import curves
from jsae.standalone.event_file import EventFile
from jsae.standalone.settings import RunSettings
from jsae.training import trainer as training
from jsae.training.columns import CURVES, LOSSES
from jsae.training.jobs import PretrainingJob, PretrainingResult
from jsae.training.trainer import Continual, Settings, Trainer

__all__ = [
    "CHECKPOINT",
    "CURVE_TABLE",
    "EMBEDDINGS",
    "ENVIRONMENT",
    "LOSS_TABLE",
    "SETTINGS",
    "SOURCE",
    "WEIGHTS",
    "Report",
    "Stopped",
    "curves_of",
    "losses_of",
    "made",
    "prepare",
    "purchases_model",
    "train",
    "trained",
]

SETTINGS = Path("settings.json")
ENVIRONMENT = Path("environment.safetensors")
EMBEDDINGS = Path("embeddings.safetensors")
LOSS_TABLE = Path("losses.parquet")
CHECKPOINT = Path("checkpoint.safetensors")
CURVE_TABLE = Path("curves.parquet")
WEIGHTS = Path("weights.safetensors")
SOURCE = Path("source")

Report = Callable[[str], None]
"""Is given a line for people."""


class Stopped(Exception):
    """The training was asked to stop, and has left a checkpoint."""


@one_thread()
def train(
    settings: RunSettings,
    folder: Path,
    *,
    report: Report = print,
    stop: Callable[[], bool] = lambda: False,
    tensorboard: bool = False,
) -> pl.DataFrame:
    """Train a run up to `settings.epochs`, from where `folder` has come so far.

    Args:
        settings: see `jsae.standalone.settings.run_settings`.
        folder: of this run; it is made where it is missing.
        report: gets what is going on, a line an epoch.
        stop: asked after each epoch; once it is true, the state is saved.
        tensorboard: write event files into the folder, too.

    Returns:
        The curves: a row an epoch, with the columns of `jsae.training.columns.CURVES`.

    It takes one thread of torch, as the study's workers do: sums over several may end in other last digits.

    Raises JsaeError if the folder has a run with other settings or of more epochs, or if a number stops being finite,
    and Stopped.
    """
    prepare(settings, folder, report)
    trainer = made(settings, folder)
    with _events(folder if tensorboard else None, trainer, settings) as write:
        begun, goes_on = time.monotonic(), (folder / CHECKPOINT).exists()

        def progress(_: int) -> None:
            nonlocal goes_on
            steps = trainer.epoch * settings.training["steps_per_epoch"]
            latest = _latest(trainer)
            resumed, goes_on = goes_on and (folder / CHECKPOINT).exists(), False  # a damaged one was set aside
            if resumed:
                if trainer.epoch > settings.epochs:
                    raise JsaeError(
                        f"{folder} has a run of {trainer.epoch} epochs, more than {settings.epochs}: ask for "
                        f"{trainer.epoch} or more, or name another folder with --folder"
                    )
                if trainer.epoch == settings.epochs:
                    report(f"{folder} has all {trainer.epoch} epochs already: there is nothing to train")
                else:
                    report(f"goes on after epoch {trainer.epoch} of {folder / CHECKPOINT}")
                write(None)
                return
            report(
                f"epoch {trainer.epoch:>{len(str(settings.epochs))}}/{settings.epochs}   {steps:>11,} steps   "
                f"mean return {latest['mean_return']:>10.4f}   {time.monotonic() - begun:>7.1f} s"
            )
            write(latest)
            if stop() and trainer.epoch < settings.epochs:
                raise Stopped

        try:
            training.train(trainer, settings.epochs, folder / CHECKPOINT, progress)
        except Stopped:
            checkpoint.save(folder / CHECKPOINT, trainer.tensors())
            raise
        finally:
            if trainer.epoch:
                table.write(curves_of(settings, trainer.history()), CURVES, folder / CURVE_TABLE)
                checkpoint.save(folder / WEIGHTS, trainer.weights())
    return table.read(CURVES, folder / CURVE_TABLE)


def _latest(trainer: Trainer) -> dict[str, float]:
    """Every metric of the last epoch."""
    return {metric: float(values[-1][0]) for metric, values in trainer._history.items()}


@contextmanager
def _events(
    folder: Path | None, trainer: Trainer, settings: RunSettings
) -> Iterator[Callable[[Mapping[str, float] | None], None]]:
    """What writes the metrics of an epoch to event files; given None, it begins after the trainer's epoch."""
    if folder is None:
        yield lambda metrics: None
        return
    files: list[EventFile] = []

    def write(metrics: Mapping[str, float] | None) -> None:
        step = trainer.epoch * settings.training["steps_per_epoch"]
        if not files:
            files.append(EventFile(folder, from_step=step + (metrics is None)))
        if metrics is not None:
            files[0].write(step, {name: value for name, value in metrics.items() if not math.isnan(value)})

    try:
        yield write
    finally:
        for file in files:
            file.close()


# -- what the stages environment, collect and pretrain do --------------------------------------------------------------


def prepare(settings: RunSettings, folder: Path, report: Report) -> None:
    """Make what the training reads, as far as `folder` has it not.

    Raises JsaeError if the folder has a run with other settings.
    """
    _claim(settings, folder)
    if not (folder / ENVIRONMENT).exists():
        model = None
        if settings.purchases is not None:
            model = checkpoint.load(purchases_model(settings.purchases, folder.parent, report))[0]
        module, arguments = settings.environment["module"], settings.environment["arguments"]
        save_environment(folder / ENVIRONMENT, module, arguments, model)
    embedding = registry.load("embeddings", settings.embedding)
    if settings.source is not None:
        report(f"{settings.cell} starts from {settings.source.cell}, which runs first:")
        if embedding.transfers_agent:
            train(settings.source, folder / SOURCE, report=report)
        else:
            prepare(settings.source, folder / SOURCE, report)
    if settings.pretraining is not None and not (folder / EMBEDDINGS).exists():
        _pretrain(settings, folder, report)


def _claim(settings: RunSettings, folder: Path) -> None:
    """Note in the folder what the run is made with. Raises JsaeError if it is another run's."""
    path, wanted = folder / SETTINGS, json.loads(json.dumps(settings.content()))
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(wanted, path)
        return
    there = read_json(path)
    if there != wanted:
        key, old, new = next(_differences(there, wanted, ""))
        raise JsaeError(
            f"{folder} has a run with {key} = {old!r}, not {new!r}: name another one with --folder, or delete it"
        )


def _differences(there: Any, wanted: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(there, dict) and isinstance(wanted, dict):
        for name in [*there, *(name for name in wanted if name not in there)]:
            if there.get(name) != wanted.get(name):
                yield from _differences(there.get(name), wanted.get(name), f"{place}.{name}" if place else name)
    else:
        yield place, there, wanted


def _pretrain(settings: RunSettings, folder: Path, report: Report) -> None:
    """The embedding, and a table of its losses."""
    assert settings.pretraining is not None
    begun = time.monotonic()
    report(f"pre-trains {settings.cell.embedding} on {settings.samples:,} transitions of the random policy ...")
    numbers = dict(settings.pretraining)
    sizes = {"state_size": numbers.pop("state_embedding_size"), "action_size": numbers.pop("action_embedding_size")}
    samples = folder / "samples.safetensors"
    save_samples(samples, random_transitions(load_environment(folder / ENVIRONMENT), [settings.seed], settings.samples))
    job = PretrainingJob(
        environment=folder / ENVIRONMENT,
        samples=samples,
        embedding=settings.embedding,
        seeds=(settings.seed,),
        rows=(0,),
        source=None if settings.source is None else folder / SOURCE / EMBEDDINGS,
        device=str(devices.chosen(settings.device)),
        **sizes,
        **numbers,
    )
    result = job.run(lambda _: None)
    table.write(losses_of(settings.cell, settings.seed, result), LOSSES, folder / LOSS_TABLE)
    checkpoint.save(folder / EMBEDDINGS, result.parameters)
    samples.unlink()
    first, last = (float(result.held_out_loss[0, epoch]) for epoch in (0, -1))
    epochs, seconds = result.held_out_loss.shape[1], time.monotonic() - begun
    losses = f"held-out loss {first:.4f} after the first, {last:.4f} at the end"
    report(f"pre-trained in {epochs} epochs: {losses}   {seconds:.1f} s")


def losses_of(cell: Cell, seed: int, result: PretrainingResult) -> pl.DataFrame:
    """A row an epoch of pre-training."""
    epochs = result.held_out_loss.shape[1]
    names = {"environment": cell.environment, "embedding": cell.embedding, "reading": cell.reading, "seed": seed}
    return LOSSES.frame(
        {
            **{name: [value] * epochs for name, value in names.items()},
            "epoch": np.arange(1, epochs + 1),
            "training_loss": result.training_loss[0].double().numpy(),
            "held_out_loss": result.held_out_loss[0].double().numpy(),
        }
    )


def purchases_model(wanted: Mapping[str, Any], folder: Path, report: Report) -> Path:
    """The n-gram model of a data set, made in `folder` by what the stages download, filter and transitions call."""
    source, section = wanted["source"], dict(wanted["section"])
    code = sorted(Path(purchases.__file__).parent.glob("*.py"))
    place = folder / f"purchases-{source}-{checkpoint.fingerprint(json.dumps(wanted, sort_keys=True), code)}"
    model, bought, summary = (place / name for name in ("model.safetensors", "purchases.parquet", "summary.json"))
    if model.exists():
        return model
    report(f"makes the purchases of {source} into a store ...")
    raw = section.pop("raw")
    sources.fetch(source, place, place / "partial", layout.CALIBRATION, raw)
    sources.keep(source, place, bought, summary, months=raw.get("months", []), rules=section)
    numbers = wanted["transitions"]
    grams = ngram.build(
        purchases.read(bought), n=numbers["order"], window=numbers["skip_window"], similarity=numbers["similarity"]
    )
    ngram.save(grams, model)
    return model


# -- what the stage train does -----------------------------------------------------------------------------------------


def made(settings: RunSettings, folder: Path) -> Trainer:
    """The run before its first epoch, from the files of a prepared folder."""
    numbers, device = dict(settings.training), devices.chosen(settings.device)
    environment = load_environment(folder / ENVIRONMENT, device)
    sizes = numbers.pop("state_embedding_size"), numbers.pop("action_embedding_size")
    embedding = embed(settings.embedding, environment, (settings.seed,), *sizes)
    if embedding.parameters:
        restore(embedding, checkpoint.load(folder / EMBEDDINGS)[0])
    continual = numbers.pop("continual")
    del numbers["steps_per_epoch"]
    trainer = Trainer(
        environment,
        embedding,
        settings.agent,
        (settings.seed,),
        Settings(
            initial_standard_deviations=(numbers.pop("initial_standard_deviation"),),
            actor_learning_rates=(numbers.pop("actor_learning_rate"),),
            critic_learning_rates=(numbers.pop("critic_learning_rate"),),
            continual=None if continual is None else Continual(**continual),
            **numbers,
        ),
    )
    if registry.load("embeddings", settings.embedding).transfers_agent:
        trainer.start_from(checkpoint.load(folder / SOURCE / WEIGHTS)[0])
    return trainer


def curves_of(settings: RunSettings, history: Mapping[str, Tensor]) -> pl.DataFrame:
    """A row an epoch, from a history `[1, epochs]`."""
    return curves(settings.cell, (settings.seed,), history, settings.training["steps_per_epoch"])


@one_thread()
def trained(folder: Path) -> tuple[RunSettings, Trainer]:
    """The run that a folder has, as far as it has been trained. Raises JsaeError if there is none."""
    if not (folder / SETTINGS).exists() or not (folder / CHECKPOINT).exists():
        raise JsaeError(f"{folder} has no trained run: give the folder that `python -m jsae train` has written")
    settings = _settings(read_json(folder / SETTINGS))
    trainer = made(settings, folder)
    trainer.load(checkpoint.load(folder / CHECKPOINT)[0])
    return replace(settings, epochs=trainer.epoch), trainer


def _settings(content: Mapping[str, Any]) -> RunSettings:
    """What `RunSettings.content` gave."""
    source = None if content["source"] is None else _settings(content["source"])
    return RunSettings(**{"epochs": 0, **content, "cell": Cell(**content["cell"]), "source": source})
