"""Returns of the random and of the best policy of an environment.

inputs   params.yaml: environments.ENVIRONMENT.dynamics; the recommender: data/processed/STORE/transitions.safetensors
outputs  data/processed/bounds/ENVIRONMENT.json: {"random_return", "optimal_return", "error"}; null: not known
"""

import json
from collections.abc import Sequence

from jsae.config import parameters
from jsae.environments import reference_returns as exact
from jsae.environments.gridworld import Gridworld
from jsae.environments.half_cheetah import HalfCheetah
from jsae.environments.recommender import Recommender
from jsae.environments.slot_machine import SlotMachine
from jsae.experience.environment import build
from jsae.io import provenance
from jsae.io.files import write_atomically
from stages import _environments, _main, paths


def main(arguments: Sequence[str]) -> None:
    name = _main.parser(__doc__, "environment").parse_args(arguments).environment
    environment = _environments.chosen(parameters.load(paths.PARAMETERS), name)
    with provenance.recorded(paths.record("bounds", name), "bounds"):
        found: tuple[float | None, float | None, float | None]
        match built := build(environment.module, _environments.arguments(environment)):
            case Gridworld():
                found = exact.gridworld(built)
            case SlotMachine():
                found = exact.slot_machine(built)
            case Recommender():
                found = exact.recommender(built)
            case HalfCheetah():
                random, error = exact.half_cheetah_random(built)
                found = random, None, error
            case _:
                found = None, None, None
        content = dict(zip(("random_return", "optimal_return", "error"), found, strict=True))
        with write_atomically(paths.bounds(name)) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    _main.run(main)
