"""What an environment must offer; how one is made by name; the file that every training of it reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from jsae.config import registry
from jsae.config.doc import parameters_of
from jsae.config.errors import JsaeError
from jsae.io import checkpoint
from jsae.io.files import DAMAGED


class ReferenceReturns(NamedTuple):
    """Expected undiscounted returns of an episode; None where a number is not known.

    | field | what |
    |---|---|
    | random | of the uniform random policy |
    | optimal | of the best policy |
    | error | how far the less certain of the two may be off; 0 where both are exact |
    """

    random: float | None
    optimal: float | None
    error: float | None


class Environment(Protocol):
    """A batched environment: P runs × N parallel episodes, functions of tensors without any state of their own.

    | method | in | out |
    |---|---|---|
    | reset | uniforms [P, N, reset_noise] | state [P, N, k] |
    | step | state, action [P, N] or [P, N, action_size], uniforms [P, N, step_noise] | next state, reward [P, N], terminated [P, N] |
    | observe | state | ids [P, N, f] of a table of observation_size rows, or vectors [P, N, observation_size] |
    | target | state | what Eq. (5) predicts of it: a class [P, N] of n_targets, or a vector [P, N, n_targets] |
    | reference_returns | | returns of the random and of the best policy |
    | action_effects | | how each action moves the agent, [actions, 2] float64; None where actions are no motions |

    The next state is the one before any reset; time limits are the caller's. jsae.environments explains the attributes.
    """  # noqa: E501

    episode_length: int
    observation_size: int
    discrete_observations: bool
    one_hots: int
    action_size: int
    n_targets: int
    reset_noise: int
    step_noise: int
    device: torch.device

    @property
    def grid(self) -> int | None: ...
    @property
    def n_actions(self) -> int | None: ...

    def reset(self, uniforms: Tensor) -> Tensor: ...
    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...
    def observe(self, state: Tensor) -> Tensor: ...
    def target(self, state: Tensor) -> Tensor: ...
    def to(self, device: torch.device | str) -> Self: ...
    def reference_returns(self) -> ReferenceReturns: ...
    def action_effects(self) -> npt.NDArray[np.float64] | None: ...


def build(module: str, arguments: Mapping[str, Any], device: torch.device | str = "cpu") -> Environment:
    """The environment of jsae/environments/`module`.py with these arguments of its constructor, on a device.

    Raises JsaeError if there is no such environment, or if an argument is unknown, missing or outside its limits.
    """
    made = registry.load("environments", module)
    for name, hint in parameters_of(made).items():
        if name in arguments:
            try:
                TypeAdapter(hint).validate_python(arguments[name], strict=True)
            except ValidationError as error:
                raise JsaeError(f"{module}: {_sentence(name, error)}") from None
    try:
        environment: Environment = made(**arguments)
    except TypeError as error:
        raise JsaeError(f"{module}: {str(error).removeprefix(f'{made.__name__}.__init__() ')}") from error
    return environment.to(device)


def _sentence(name: str, error: ValidationError) -> str:
    """The first thing that is wrong with an argument: where, what it is, what it should be."""
    issue = error.errors()[0]
    place = name + "".join(f"[{step}]" for step in issue["loc"])
    return f"{place} = {issue['input']!r}: {issue['msg'][0].lower() + issue['msg'][1:]}"


def save_environment(
    path: Path, module: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None
) -> None:
    """Write an environment as one file (safetensors): module and arguments as metadata, its tensors as the content.

    Args:
        path: the file; it is written whole or not at all.
        module: file of jsae/environments.
        arguments: of the constructor, without `model`: values that JSON can hold.
        tensors: the constructor's argument `model`, where it has one.

    Raises JsaeError as `build` does: what is in the file can be built.
    """
    build(module, _complete(arguments, tensors))
    checkpoint.save(path, dict(tensors or {}), {"module": module, "arguments": json.dumps(arguments)})


def load_environment(path: Path, device: torch.device | str = "cpu") -> Environment:
    """The environment in a file of `save_environment`, on a device.

    Raises JsaeError if the file is missing or damaged in a single bit, or if what it names cannot be built.
    """
    tensors, metadata = checkpoint.load(path)
    try:
        module, arguments = metadata["module"], json.loads(metadata["arguments"])
    except (KeyError, ValueError):
        raise JsaeError(DAMAGED.format(path, "it holds no environment")) from None
    try:
        return build(module, _complete(arguments, tensors), device)
    except JsaeError as error:
        raise JsaeError(f"{path} holds an environment of other code ({error}): delete it and run dvc repro") from error


def _complete(arguments: Mapping[str, Any], tensors: Mapping[str, Tensor] | None) -> dict[str, Any]:
    return {**arguments, **({"model": tensors} if tensors else {})}
