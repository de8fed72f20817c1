"""The hot paths of networks, policies and agents on the CPU, compiled: kernels.cpp, called with tensors.

jsae.nn.compiled says how it is compiled, and when it is not used: everything goes through the batched operations of the
other modules then, which say what is meant, and which a GPU runs; on a CPU at half the speed. They differ in the last
bits.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.nn import compiled

SOURCE = Path(__file__).with_suffix(".cpp")
MOST_LAYERS, TILE = 8, 48
"""LAYERS and TILE of kernels.cpp."""
POLICY_GRADIENT = -1.0
"""In place of a clip: the loss of VPG."""


class _Network(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.c_int64),
        ("sizes", ctypes.c_int64 * (MOST_LAYERS + 1)),
        ("offsets", ctypes.c_int64 * (MOST_LAYERS + 1)),
        ("table", ctypes.c_int64),
        ("ids", ctypes.c_int64),
        ("relu", ctypes.c_int64),
        ("stride", ctypes.c_int64),
    ]


class _Inputs(ctypes.Structure):
    _fields_ = [("floats", ctypes.c_void_p), ("ids", ctypes.c_void_p)]
    tensors: tuple[Tensor | None, Tensor | None]  # whose addresses these are: they must live as long


class _Learner(ctypes.Structure):
    _fields_ = [
        ("net", ctypes.POINTER(_Network)),
        *((name, ctypes.c_void_p) for name in ("flat", "first", "second", "rates", "scales")),
    ]


class _Fit(ctypes.Structure):
    _fields_ = [
        ("learner", _Learner),
        *((name, ctypes.c_int64) for name in ("loss", "runs", "batch", "steps")),
        ("x", _Inputs),
        *((name, ctypes.c_void_p) for name in ("target", "chosen", "advantage")),
        *((name, ctypes.c_double) for name in ("clip", "target_kl")),
        *((name, ctypes.c_void_p) for name in ("old_log_p", "first_loss", "entropy", "kl", "taken")),
    ]


class _Sac(ctypes.Structure):
    _fields_ = [
        ("policy", _Learner),
        ("critics", _Learner),
        ("targets", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("runs", "steps", "batch")),
        ("x", _Inputs),
        ("next_x", _Inputs),
        *((name, ctypes.c_void_p) for name in ("points", "actions", "reward", "terminated", "noise")),
        *((name, ctypes.c_double) for name in ("discount", "entropy_weight", "polyak", "limit")),
        *((name, ctypes.c_void_p) for name in ("critic_loss", "policy_loss", "entropy")),
    ]


_SQUARE, _GAUSSIAN, _SOFTMAX = range(3)


class Shape(NamedTuple):
    """Of each run's network in a batch of runs.

    | field | what |
    |---|---|
    | sizes | inputs (with those next to ids), hidden sizes, outputs |
    | offsets | of each layer's weights in a run's parameters, and of the free parameters |
    | table | rows of the first layer that ids stand for, where inputs are ids |
    | relu | hidden units: relu, else tanh |
    | stride | parameters of a run |
    """

    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    table: int
    relu: bool
    stride: int


class State(NamedTuple):
    """Parameters and moments of Adam, `[P, n]` each, and the factors of each of its next steps, `[P, steps]` each."""

    flat: Tensor
    first: Tensor
    second: Tensor
    rates: Tensor
    scales: Tensor


def used(tensor: Tensor) -> bool:
    """Whether what this tensor is part of goes through the compiled code."""
    return (
        tensor.dtype == torch.float32
        and tensor.device.type == "cpu"
        and not _off
        and compiled.library(SOURCE) is not None
    )


_off: list[object] = []


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Take the plain path within the block: what tests and benchmarks compare with."""
    _off.append(None)
    try:
        yield
    finally:
        _off.pop()


def forward(shape: Shape, flat: Tensor, x: Tensor, e: Tensor | None) -> Tensor:
    """Outputs `[P, B, outputs]` of mlp.MLP at ids or floats x, and floats e next to ids; without a gradient."""
    outputs = torch.empty(*x.shape[:2], shape.sizes[-1])
    _pass("forward", shape, flat, _inputs(shape, x, e), outputs)
    return outputs


def choose(shape: Shape, flat: Tensor, x: Tensor, uniforms: Tensor) -> Tensor:
    """Actions `[P, N]` of a softmax policy at ids or floats x, by inverting the cumulative distribution."""
    actions = torch.empty(x.shape[:2], dtype=torch.int64)
    _pass("choose", shape, flat, _inputs(shape, x), _ready(uniforms), actions)
    return actions


def _pass(function: str, shape: Shape, flat: Tensor, x: "_Inputs", *data: Tensor) -> None:
    """Call a function of a network, its inputs, these data and scratch."""
    network, scratch = _network(shape, x), _scratch(shape)
    counts = map(ctypes.c_int64, data[-1].shape[:2])
    tensors = map(_address, (*data, scratch))
    getattr(_library(), function)(ctypes.byref(network), *counts, _address(flat), ctypes.byref(x), *tensors)


def nearest(e: Tensor, points: Tensor, squares: Tensor) -> Tensor:
    """Which of `points` `[P, d, A]`, whose squared norms are `squares` `[P, A]`, is closest to each e `[P, B, d]`."""
    runs, batch, size = e.shape
    e, points, squares = _ready(e), _ready(points), _ready(squares)
    found = torch.empty(runs, batch, dtype=torch.int64)
    counts = map(ctypes.c_int64, (runs, batch, size, points.shape[2]))
    _library().nearest(*counts, *map(_address, (e, points, squares, found)))
    return found


def cross_entropy(weight: Tensor, x: Tensor, ids: Tensor) -> Tensor:
    """Mean −ln of the softmax of x W + b at `ids` `[P, B, k]`, `[P]`; differentiable in `weight` and x.

    `weight` `[P, inputs + 1, outputs]` is W with b as its last row, x `[P, B, inputs]`.
    """
    found: Tensor = _CrossEntropy.apply(*_alone(weight, x), ids)
    return found


def distance_cross_entropy(table: Tensor, e: Tensor, ids: Tensor) -> Tensor:
    """Mean −ln of the softmax of negative distances from e `[P, B, d]` to the rows of `table` `[P, A, d]`, at `ids`
    `[P, B]`; `[P]`, differentiable in both."""
    found: Tensor = _DistanceCrossEntropy.apply(*_alone(table, e), ids)
    return found


def _alone(*parameters: Tensor) -> tuple[Tensor, ...]:
    """Without the wish for gradients that a parameter has even where none are computed."""
    return parameters if torch.is_grad_enabled() else tuple(parameter.detach() for parameter in parameters)


class _WithGradients(torch.autograd.Function):
    """A loss `[P]` that computes its gradients in two tensors `[P, ·, ·]` with itself; what comes last has none."""

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient * grad_output[:, None, None] for gradient in ctx.gradients), None


class _CrossEntropy(_WithGradients):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, x: Tensor, ids: Tensor) -> Tensor:
        (runs, batch, hot), (_, depth, outputs) = ids.shape, weight.shape
        _check(ids, outputs)
        weight, x, ids = _ready(weight), _ready(x), _ready(ids)
        of_weight, of_x = _room_for_gradients(ctx, weight, x)
        loss = torch.empty(runs, dtype=torch.float64)
        scratch = _scratch_for_softmax(depth, outputs)
        counts = map(ctypes.c_int64, (runs, batch, hot, depth - 1, outputs))
        _library().cross_entropy(*counts, *map(_address, (weight, x, ids, loss, of_weight, of_x, scratch)))
        ctx.gradients = of_weight, of_x
        return loss.float()


def _room_for_gradients(ctx: Any, *parameters: Tensor) -> list[Tensor | None]:
    """They are computed with the loss, both or none."""
    wanted = any(ctx.needs_input_grad)
    return [torch.empty_like(parameter) if wanted else None for parameter in parameters]


class _DistanceCrossEntropy(_WithGradients):
    @staticmethod
    def forward(ctx: Any, table: Tensor, e: Tensor, ids: Tensor) -> Tensor:
        (runs, count, size), batch = table.shape, e.shape[1]
        _check(ids, count)
        table, e, ids = _ready(table), _ready(e), _ready(ids)
        of_table, of_e = _room_for_gradients(ctx, table, e)
        loss = torch.empty(runs, dtype=torch.float64)
        scratch = _scratch_for_softmax(size + 2, count)
        counts = map(ctypes.c_int64, (runs, batch, size, count))
        _library().distance_cross_entropy(*counts, *map(_address, (e, table, ids, loss, of_table, of_e, scratch)))
        ctx.gradients = of_table, of_e
        return loss.float()


def _scratch_for_softmax(depth: int, count: int) -> Tensor:
    """Three tables of `depth` rows, scores of a group of rows, and these rows, all of them padded."""
    return torch.empty((3 * depth + TILE) * (count + 48) + 3 * TILE * (depth + 16))


def fit_critic(shape: Shape, state: State, x: Tensor, returns: Tensor) -> Tensor:
    """Steps of Adam down E[(V(x) − R̂)²], as many as `state` has rates: agents.on_policy. The first loss, `[P]`."""
    return _fit(shape, state, _SQUARE, x, target=returns)["first_loss"]


def improve_policy(
    shape: Shape,
    state: State,
    x: Tensor,
    latent: Tensor,
    advantage: Tensor,
    *,
    clip: float,
    target_kl: float | None,
) -> dict[str, Tensor]:
    """Steps of Adam along a policy's loss: agents.on_policy.

    `latent` are points `[P, B, d]` or actions `[P, B]`; `clip` is that of PPO, or POLICY_GRADIENT. Returns, of each
    run, `policy_loss`, `entropy`, `kl` and `policy_steps`.
    """
    points = latent.is_floating_point()
    if not points:
        _check(latent, shape.sizes[-1])
    found = _fit(
        shape,
        state,
        _GAUSSIAN if points else _SOFTMAX,
        x,
        target=latent if points else None,
        chosen=None if points else latent,
        advantage=advantage,
        clip=clip,
        target_kl=-1.0 if target_kl is None else target_kl,
    )
    return {
        "policy_loss": found["first_loss"],
        "entropy": found["entropy"],
        "kl": found["kl"],
        "policy_steps": found["taken"],
    }


def _fit(
    shape: Shape,
    state: State,
    loss: int,
    x: Tensor,
    *,
    clip: float = 0.0,
    target_kl: float = -1.0,
    **data: Tensor | None,
) -> dict[str, Tensor]:
    (runs, steps), batch = state.rates.shape, x.shape[1]
    inputs, scratch = _inputs(shape, x), _scratch(shape)
    network = _network(shape, inputs)
    given = {name: _ready(tensor) for name, tensor in data.items() if tensor is not None}
    found = {name: torch.empty(runs, dtype=torch.float64) for name in ("first_loss", "entropy", "kl")}
    found["taken"] = torch.empty(runs, dtype=torch.int64)
    old_log_p = torch.empty(runs, batch)
    call = _Fit(
        learner=_Learner(ctypes.pointer(network), *map(_address, state)),
        loss=loss,
        runs=runs,
        batch=batch,
        steps=steps,
        x=inputs,
        clip=clip,
        target_kl=target_kl,
        old_log_p=_address(old_log_p),
        **{name: _address(tensor) for name, tensor in {**given, **found}.items()},
    )
    _library().fit(ctypes.byref(call), _address(scratch))
    return found


def soft_actor_critic(
    policy_shape: Shape,
    policy: State,
    critic_shape: Shape,
    critics: State,
    targets: Tensor,
    x: Tensor,
    next_x: Tensor,
    latent: Tensor,
    reward: Tensor,
    terminated: Tensor,
    noise: Tensor,
    *,
    discount: float,
    entropy_weight: float,
    polyak: float,
    limit: float,
) -> dict[str, Tensor]:
    """Update steps of agents.sac, as many as the states have rates.

    The critics' state is `[2P, n]`, as are their `targets`. Of step k and minibatches of B transitions, inputs `x` and
    `next_x` `[P, K, B, ·]`, `latent` as points `[P, K, B, d]` or actions `[P, K, B]`, `reward` and `terminated`
    `[P, K, B]`, and `noise` `[P, K, 2, B, d]`. Returns each run's `critic_loss`, `policy_loss` and `entropy`, means
    over the steps.
    """
    (runs, steps), batch = policy.rates.shape, reward.shape[2]
    points = latent.is_floating_point()
    if not points:
        _check(latent, policy_shape.sizes[-1])
    inputs, next_inputs = _inputs(policy_shape, x), _inputs(policy_shape, next_x)
    network, critic_network = _network(policy_shape, inputs), _network(critic_shape, inputs)
    scratch = torch.empty(_room(policy_shape) + 2 * _room(critic_shape) + batch)
    latent, reward, terminated, noise = map(_ready, (latent, reward, terminated, noise))
    found = {name: torch.empty(runs, dtype=torch.float64) for name in ("critic_loss", "policy_loss", "entropy")}
    call = _Sac(
        policy=_Learner(ctypes.pointer(network), *map(_address, policy)),
        critics=_Learner(ctypes.pointer(critic_network), *map(_address, critics)),
        targets=_address(targets),
        runs=runs,
        steps=steps,
        batch=batch,
        x=inputs,
        next_x=next_inputs,
        points=_address(latent if points else None),
        actions=_address(None if points else latent),
        reward=_address(reward),
        terminated=_address(terminated),
        noise=_address(noise if points else None),
        discount=discount,
        entropy_weight=entropy_weight,
        polyak=polyak,
        limit=limit,
        **{name: _address(tensor) for name, tensor in found.items()},
    )
    _library().soft_actor_critic(ctypes.byref(call), _address(scratch))
    return found


@cache
def _network_of(shape: Shape, ids: int) -> _Network:
    if len(shape.sizes) > MOST_LAYERS + 1:
        raise JsaeError(
            f"hidden_sizes: {len(shape.sizes) - 2} hidden layers, at most {MOST_LAYERS - 1} can be compiled"
        )
    counts = ctypes.c_int64 * (MOST_LAYERS + 1)
    table = shape.table if ids else 0
    return _Network(
        len(shape.sizes) - 1, counts(*shape.sizes), counts(*shape.offsets), table, ids, shape.relu, shape.stride
    )


def _network(shape: Shape, x: _Inputs) -> _Network:
    return _network_of(shape, 0 if x.tensors[1] is None else x.tensors[1].shape[2])


def _inputs(shape: Shape, x: Tensor, e: Tensor | None = None) -> _Inputs:
    """Raises IndexError for ids that are no rows of the table."""
    ids, floats = (None, x) if x.is_floating_point() else (x, e)
    if ids is not None:
        _check(ids, shape.table)
    tensors = None if floats is None else _ready(floats), None if ids is None else _ready(ids)
    found = _Inputs(*map(_address, tensors))
    found.tensors = tensors
    return found


def _ready(tensor: Tensor) -> Tensor:
    """As compiled code reads it: float32, int64 or bytes, element after element."""
    if tensor.dtype != torch.bool:
        tensor = tensor.to(torch.float32 if tensor.is_floating_point() else torch.int64)
    return tensor.contiguous()


def _check(ids: Tensor, count: int) -> None:
    """Raise IndexError for ids outside 0 ... count − 1, which compiled code would follow anywhere."""
    if ids.numel():
        low, high = (int(bound) for bound in ids.aminmax())
        if low < 0 or high >= count:
            raise IndexError(f"ids {low} ... {high} of a table of {count} rows")


def _address(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _room(shape: Shape) -> int:
    """Numbers that a passage of a tile, and what goes with it, takes at most: see Passage in kernels.cpp."""
    layers, widest = len(shape.sizes) - 1, max(shape.sizes[1:]) + 16
    return 4 * shape.stride + (layers + 6) * TILE * widest + 2 * TILE * min(shape.sizes[0], shape.stride) + 16 * widest


def _scratch(shape: Shape) -> Tensor:
    return torch.empty(_room(shape))


def _library() -> ctypes.CDLL:
    found = compiled.library(SOURCE)
    assert found is not None
    return found
