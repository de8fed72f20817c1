"""Does a seed owe its return in the recommender to its embedding, or to its agent?

    python -m benchmarks.luck_of_embeddings [--agent sac] [--epochs 500] [--output FILE]

The search found settings for JSAE that the study's seeds did not confirm. Here they are trained once more, with each
of the search's nine seeds as the seed of the embedding, crossed with three seeds of the agent. If the embedding
decides, the returns of one embedding are alike. No seed of the study is used. Needs
`dvc repro environment@recommender`; on one core it takes about 15 minutes.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import torch

from jsae.analysis.schema import FINAL_SHARE
from jsae.config import layout, schema
from jsae.config.study import Cell
from jsae.experience.environment import load_environment
from jsae.experience.samples import random_transitions, save_samples
from jsae.io import checkpoint
from jsae.io.workers import run_batches
from jsae.standalone.settings import run_settings
from jsae.training.jobs import PretrainingJob, TrainingJob
from jsae.training.trainer import Continual

EMBEDDINGS = tuple(range(1002, 1011))
AGENTS = (1002, 1003, 1004)
STORE = Path("data/processed/environments/recommender.safetensors")


def crossed(agent: str, epochs: int, folder: Path) -> pl.DataFrame:
    """A row for each seed of the embedding and seed of the agent, with the final return."""
    cell = Cell("recommender", agent, "jsae")
    settings = run_settings(schema.load(layout.PARAMETERS), cell, EMBEDDINGS[0], scale="paper", epochs=epochs)
    numbers, pretraining = dict(settings.training), dict(settings.pretraining or {})
    sizes = {"state_size": numbers.pop("state_embedding_size"), "action_size": numbers.pop("action_embedding_size")}
    pretraining = {name: value for name, value in pretraining.items() if not name.endswith("_embedding_size")}
    rows = tuple(range(len(EMBEDDINGS)))
    samples, embeddings = folder / "samples.safetensors", folder / "embeddings.safetensors"
    save_samples(samples, random_transitions(load_environment(STORE), EMBEDDINGS, settings.samples))
    own = {"environment": STORE, "embedding": "jsae", "rows": rows, "source": None, "device": "cpu", **sizes}
    result = PretrainingJob(seeds=EMBEDDINGS, samples=samples, **own, **pretraining).run(lambda _: None)
    checkpoint.save(embeddings, result.parameters)
    continual, _ = Continual(**numbers.pop("continual")), numbers.pop("steps_per_epoch")
    for name in ("initial_standard_deviation", "actor_learning_rate", "critic_learning_rate"):
        numbers[f"{name}s"] = (numbers.pop(name),) * len(rows)
    jobs = [
        TrainingJob(
            agent=agent, seeds=(seed,) * len(rows), epochs=epochs, pretrained=embeddings, continual=continual,
            saved=folder / f"{seed}.safetensors", **own, **numbers,
        )
        for seed in AGENTS
    ]  # fmt: skip
    run_batches(jobs, total=epochs * len(jobs), label=str(cell))
    last = -max(1, epochs // FINAL_SHARE)
    final = torch.stack([checkpoint.load(job.saved)[0]["history.mean_return"][:, last:].mean(1) for job in jobs])
    pairs = list(itertools.product(AGENTS, EMBEDDINGS))
    return pl.DataFrame(
        {
            "embedding_seed": [embedding for _, embedding in pairs],
            "agent_seed": [of for of, _ in pairs],
            "final_return": final.flatten().numpy(),
        }
    )


def share_between(table: pl.DataFrame) -> float:
    """Share of the variance that lies between embeddings (intraclass correlation, one-way random effects)."""
    groups = np.stack([of["final_return"].to_numpy() for _, of in table.group_by("embedding_seed")])
    k = groups.shape[1]
    between, within = k * groups.mean(1).var(ddof=1), groups.var(1, ddof=1).mean()
    return float((between - within) / (between + (k - 1) * within))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", choices=("vpg", "ppo", "sac"), default="sac")
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/luck_of_embeddings.csv"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = crossed(given.agent, given.epochs, Path(temporary))
    found.write_csv(given.output, float_precision=2)
    print(found.pivot("agent_seed", index="embedding_seed", values="final_return"))
    print(f"{share_between(found):.0%} of the variance lies between embeddings")
