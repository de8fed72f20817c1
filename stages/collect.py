"""Transitions of the uniform random policy, to pre-train embeddings on.

inputs   params.yaml: environments.ENVIRONMENT; the transition model, for the recommender
outputs  data/processed/samples/ENVIRONMENT/COHORT.safetensors
"""

from collections.abc import Sequence

from jsae.config import parameters
from jsae.experience.environment import build
from jsae.experience.samples import random_transitions, save_samples
from jsae.io import provenance
from stages import _environments, _main, paths


def main(arguments: Sequence[str]) -> None:
    given = _main.parser(__doc__, "environment", "cohort").parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    environment = _environments.chosen(settings, given.environment)
    with provenance.recorded(paths.record("collect", given.environment, given.cohort), "collect"):
        built = build(environment.module, _environments.arguments(environment))
        seeds = parameters.seeds_of(given.cohort)
        samples = random_transitions(built, seeds, environment.pretraining_samples)
        save_samples(paths.samples(given.environment, given.cohort), samples)


if __name__ == "__main__":
    _main.run(main)
