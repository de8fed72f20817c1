"""Transitions of the uniform random policy, to pre-train embeddings on.

inputs   the environment
outputs  the transitions of every seed
"""

from jsae.experience.environment import load_environment
from jsae.experience.samples import random_transitions, save_samples
from jsae.io.declared import Declared
from stages import _main


def main(declared: Declared) -> None:
    environment = load_environment(declared.input("environment"))
    samples = random_transitions(environment, declared.values["seeds"], declared.values["samples"])
    save_samples(declared.outputs["samples"], samples)


if __name__ == "__main__":
    _main.run(main)
