"""Pre-train the embeddings of a cohort on random transitions (appendix A.4.2).

inputs   params.yaml: environments.ENVIRONMENT, embeddings; embedding sizes, under results/shared/settings;
         data/processed/samples/ENVIRONMENT/COHORT.safetensors;
         for a transfer, the embeddings of transfer.environment
outputs  results/SCALE/embeddings/ENVIRONMENT/EMBEDDING/COHORT.safetensors, and its losses as .parquet
"""

from collections.abc import Sequence

import polars as pl
import torch
from jsae.embeddings.learning import kind

from jsae.config import parameters
from jsae.io import checkpoint, provenance
from jsae.io.files import write_atomically
from jsae.io.workers import runner, shards
from jsae.nn import compiled, devices
from jsae.training.pretraining import pretrain_shard
from stages import _environments, _main, _pretrainings, paths


def main(arguments: Sequence[str]) -> None:
    given = _main.parser(__doc__, "scale", "cohort", "environment", "embedding").parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    environment = _environments.chosen(settings, given.environment)
    record = paths.record("pretrain", given.environment, given.embedding, given.cohort, scale=given.scale)
    device = devices.chosen(settings.training.device)
    with provenance.recorded(record, "pretrain", device=devices.name(device)) as facts:
        facts["kernels"] = compiled.kind()
        pretrain(given.scale, given.cohort, given.environment, environment, given.embedding, settings, device)


def pretrain(
    scale: str,
    cohort: str,
    name: str,
    environment: parameters.AnyEnvironment,
    embedding: str,
    settings: parameters.Parameters,
    device: torch.device,
) -> None:
    """Write the pre-trained parameters and the losses of every seed and pass."""
    seeds = parameters.seeds_of(cohort)
    passes = environment.pretraining_passes.at(scale)
    values, old = _pretrainings.read_values(paths.settings("pretrain", name, embedding)), settings.transfer
    blocks = shards(seeds, settings.training.members_per_shard.at(scale)) if kind(embedding).learnt else []
    source = paths.embedding(scale, old.environment, old.embedding, cohort) if kind(embedding).transferred else None
    calls = [
        _pretrainings.pretraining_call(
            settings,
            environment,
            embedding,
            block,
            values,
            samples=paths.samples(name, cohort),
            rows=[seeds.index(seed) for seed in block],
            passes=passes,
            source=source,
        )
        | {"device": device}
        for block in blocks
    ]
    label = f"pretrain {name} {embedding}"
    results = runner(device.type)(pretrain_shard, calls, total=passes * len(blocks), label=label)
    checkpoint.save(paths.embedding(scale, name, embedding, cohort), checkpoint.stack([r[0] for r in results]))
    rows = [
        (name, embedding, seed, number, training[i], held_out[i])
        for block, (_, history) in zip(blocks, results, strict=True)
        for number, (training, held_out) in enumerate(history, 1)
        for i, seed in enumerate(block)
    ]
    schema = {
        "environment": pl.String,
        "embedding": pl.String,
        "seed": pl.Int64,
        "pass": pl.Int64,
        "training_loss": pl.Float64,
        "held_out_loss": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema, orient="row").sort("seed", "pass")
    with write_atomically(paths.embedding_losses(scale, name, embedding, cohort)) as temporary:
        frame.write_parquet(temporary)


if __name__ == "__main__":
    _main.run(main)
