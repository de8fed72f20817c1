"""Map the gridworlds of Figures 2a and 2b as the trained agents see them (jsae.training.value_maps).

inputs   params.yaml: maps, cohorts, study.gridworld, the environments' dynamics; sizes, under results/shared/settings;
         results/SCALE/runs/ENVIRONMENT/AGENT-EMBEDDING/COHORT.safetensors of each cell and cohort
outputs  results/SCALE/maps.parquet: a row per environment, agent, embedding and bin, with the critic's value of its
         centre and the share of steps spent in it, means over `seeds` seeds

Cells that have not run are left out.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import torch

from jsae.config import parameters
from jsae.embeddings import learning
from jsae.environments.gridworld import Gridworld
from jsae.experience.environment import build
from jsae.io import checkpoint, provenance
from jsae.io.files import write_atomically
from jsae.training.value_maps import TrainedAgents
from stages import _environments, _main, _pretrainings, paths

MAPS: dict[str, Any] = {
    "environment": pl.String,
    "agent": pl.String,
    "embedding": pl.String,
    "seeds": pl.Int64,
    "x_bin": pl.Int64,
    "y_bin": pl.Int64,
    "value": pl.Float64,
    "visits": pl.Float64,
}
"""Columns of the table."""


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    with provenance.recorded(paths.record("maps", scale=scale), "maps"):
        draw(scale, parameters.load(paths.PARAMETERS))


def draw(scale: str, settings: parameters.Parameters) -> None:
    """Write the maps of `scale`."""
    frames = [pl.DataFrame(schema=MAPS)]
    family = settings.study.gridworld
    for cell in itertools.product(family.environments, family.agents, family.embeddings):
        cohorts = list(of_cohorts(scale, settings, *cell))
        if cohorts:
            values, visits = (torch.cat(parts).double() for parts in zip(*cohorts, strict=True))
            x_bin, y_bin = torch.ones_like(values[0]).nonzero(as_tuple=True)
            columns = {**dict(zip(MAPS, cell, strict=False)), "seeds": len(values)}
            columns |= {"x_bin": x_bin.numpy(), "y_bin": y_bin.numpy()}
            columns |= {"value": values.mean(0).flatten().numpy(), "visits": visits.mean(0).flatten().numpy()}
            frames.append(pl.DataFrame(columns, schema_overrides=MAPS))
    with write_atomically(paths.maps(scale)) as temporary:
        pl.concat(frames).write_parquet(temporary, compression="zstd")


def of_cohorts(
    scale: str, settings: parameters.Parameters, environment: str, agent: str, name: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Values and visits, [seeds, bins, bins] each, of every cohort of a cell that has run."""
    section = settings.environments[environment]
    world = build(section.module, _environments.arguments(section))
    for cohort in settings.cohorts:
        path = paths.weights(scale, environment, agent, name, cohort)
        if isinstance(world, Gridworld) and path.exists():
            seeds = parameters.seeds_of(cohort)
            values = _pretrainings.read_values(paths.settings("train", environment, agent, name))
            embedding = learning.embed(name, world, seeds, *_pretrainings.sizes(values))
            agents = TrainedAgents(
                world, world.bins, embedding, seeds, values["hidden_sizes"], checkpoint.load(path)[0]
            )
            yield agents.values(), agents.visits(settings.maps.episodes)


if __name__ == "__main__":
    _main.run(main)
