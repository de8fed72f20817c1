"""All that an environment is made from in one file, and the returns of its random and best policy.

inputs   the n-gram model of purchases, for a recommender
outputs  the environment; {"random_return", "optimal_return", "error"} as JSON, null where a number is not known
"""

from jsae.experience.environment import load_environment, save_environment
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.files import write_json
from stages import _main


def main(declared: Declared) -> None:
    values, path, model = declared.values, declared.outputs["environment"], declared.optional("model")
    tensors = None if model is None else checkpoint.load(model)[0]
    save_environment(path, values["module"], values["arguments"], tensors)
    found = load_environment(path).reference_returns()
    content = {"random_return": found.random, "optimal_return": found.optimal, "error": found.error}
    write_json(content, declared.outputs["reference_returns"])


if __name__ == "__main__":
    _main.run(main)
