"""Measure every pre-trained embedding of the study (jsae.training.probes).

inputs   params.yaml: quality, cohorts, environments, study; embedding sizes, under results/shared/settings; the
         transition model, for the recommender;
         results/SCALE/embeddings/ENVIRONMENT/EMBEDDING/COHORT.safetensors of each cell and cohort
outputs  results/SCALE/quality/embeddings.parquet: a row per environment, embedding and seed;
         results/SCALE/quality/actions.parquet: the action embeddings of the first seed in the gridworlds, with the
         direction (radians) and length of each action's motion
"""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from jsae.config import parameters
from jsae.embeddings import learning
from jsae.environments.gridworld import Gridworld, motions
from jsae.experience.environment import Environment, build
from jsae.io import checkpoint, provenance
from jsae.io.files import write_atomically
from jsae.training import probes as quality
from stages import _environments, _main, _pretrainings, paths

EMBEDDINGS: dict[str, Any] = {
    "environment": pl.String,
    "embedding": pl.String,
    "seed": pl.Int64,
    "rank_correlation": pl.Float64,
    "loss": pl.Float64,
    "least_loss": pl.Float64,
    "guess": pl.Float64,
    "unit": pl.String,
    "action_gain": pl.Float64,
    "action_error": pl.Float64,
    "spread": pl.Float64,
}
ACTIONS: dict[str, Any] = {
    "environment": pl.String,
    "embedding": pl.String,
    "seed": pl.Int64,
    "action": pl.Int64,
    "e1": pl.Float64,
    "e2": pl.Float64,
    "direction": pl.Float64,
    "length": pl.Float64,
}
"""Columns of the two tables; NaN where there is nothing to measure. e1, e2: the first two coordinates in E."""


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    with provenance.recorded(paths.record("quality", scale=scale), "quality"):
        measure(scale, parameters.load(paths.PARAMETERS))


def measure(scale: str, settings: parameters.Parameters) -> None:
    """Write the tables of `scale`; embeddings that have not been pre-trained yet are left out."""
    rows: list[tuple[Any, ...]] = []
    actions: list[tuple[Any, ...]] = []
    cells = sorted({(environment, name) for environment, _, name in settings.cells() if learning.kind(name).learnt})
    for environment in sorted({environment for environment, _ in cells}):
        section, numbers = settings.environments[environment], settings.quality
        built = build(section.module, _environments.arguments(section))
        held = quality.held_out(built, numbers.samples, numbers.visits, numbers.draws)
        for name in (name for e, name in cells if e == environment):
            for cohort in settings.cohorts:
                path = paths.embedding(scale, environment, name, cohort)
                if not path.exists():
                    continue
                seeds = parameters.seeds_of(cohort)
                values = _pretrainings.read_values(paths.settings("pretrain", environment, name))
                embedding = learning.embed(name, built, seeds, *_pretrainings.sizes(values))
                learning.restore(embedding, checkpoint.load(path)[0])
                losses, spread = quality.model_losses(embedding, held), quality.spread(embedding, held)
                for i, seed in enumerate(seeds):
                    correlation, points = on_motions(built, embedding, i, numbers.pairs)
                    rows.append(
                        (environment, name, seed, correlation, float(losses.model[i]), held.least_loss, held.guess,
                         held.unit, float(losses.action_gain[i]), float(losses.action_map[i]), float(spread[i]))
                    )  # fmt: skip
                    if cohort == settings.cohorts[0] and i == 0:
                        actions += [(environment, name, seed, *point) for point in points]
    for table, schema, content in (("embeddings", EMBEDDINGS, rows), ("actions", ACTIONS, actions)):
        with write_atomically(paths.quality(scale) / f"{table}.parquet") as temporary:
            pl.DataFrame(content, schema, orient="row").write_parquet(temporary)


def on_motions(
    environment: Environment, embedding: learning.Embedding, member: int, pairs: int
) -> tuple[float, list[tuple[Any, ...]]]:
    """Rank correlation with the motions of a gridworld, and (action, e1, e2, direction, length) of every action."""
    table = embedding.action_table()
    if not isinstance(environment, Gridworld) or table is None:
        return math.nan, []
    points, moved = table[member].detach().numpy(), motions(environment.actuators)
    correlation = quality.rank_correlation(points, moved, quality.pairs_of(len(moved), pairs))
    return correlation, [
        (action, float(e[0]), float(e[1]), math.atan2(motion[1], motion[0]), math.hypot(*motion))
        for action, (e, motion) in enumerate(zip(points, moved, strict=True))
    ]


if __name__ == "__main__":
    _main.run(main)
