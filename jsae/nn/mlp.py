"""Multi-layer perceptrons of a batch of runs: P runs side by side along a leading axis.

A batch of runs's parameters are one tensor `[P, n]`. The forward and the backward pass are written out with batched
matrix products, as one node of the autograd graph; a loss stays an ordinary expression of the network's outputs.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from jsae.nn import kernels
from jsae.nn.randomness import Streams


class MLP:
    """P multi-layer perceptrons of one shape.

    | symbol | shape | what |
    |---|---|---|
    | flat | [P, n] | all parameters of each run: weights, biases, then `extra` free ones |
    | x | [P, B, inputs] float, or [P, B, k] int64 | inputs, or k one-hot inputs as ids of rows of the first layer |
    | e | [P, B, beside] float | further inputs, `beside` of them: Q(x, e) |

    Ids stand for a sum of one-hot vectors (a two-hot input is k = 2 ids), so the first layer is a table look-up. Where
    there are `twins`, each run has so many networks, one after the other, and P counts all of them.
    Weights and biases start uniform in ±1/√(inputs of their layer), as torch.nn.Linear's do.
    """

    def __init__(
        self,
        streams: Streams,
        inputs: int,
        hidden_sizes: Sequence[int],
        outputs: int,
        *,
        activation: str = "tanh",
        beside: int = 0,
        extra: int = 0,
        twins: int = 1,
        runs: int,
    ):
        sizes = [inputs + beside, *hidden_sizes, outputs]
        self.runs, self.inputs, self.outputs, self.extra, self.activation = (
            runs * twins,
            inputs,
            outputs,
            extra,
            activation,
        )
        self._shapes = [shape for a, b in itertools.pairwise(sizes) for shape in ((a, b), (1, b))]
        counts = [a * b for a, b in self._shapes]
        # Rows are padded to whole rows of the first layer, so that [P, n] is also one table of rows for look-ups.
        length = -(-(sum(counts) + extra) // sizes[1]) * sizes[1]
        self._offsets = list(itertools.accumulate(counts, initial=0))
        self.shape = kernels.Shape(tuple(sizes), tuple(self._offsets[::2]), inputs, activation == "relu", length)
        self._rows = length // sizes[1]
        self.network_size = self._offsets[-1]
        flat = streams.uniform(twins, length, dtype=torch.float32).flatten(0, 1).mul_(2).sub_(1)
        for layer, (fan_in, _) in enumerate(self._shapes[0::2]):
            flat[:, self._offsets[2 * layer] : self._offsets[2 * layer + 2]] *= fan_in**-0.5
        flat[:, self._offsets[-1] :] = 0
        self.flat = flat.requires_grad_()

    def blocks(self, flat: Tensor) -> list[Tensor]:
        """Views of a `[P, n]` tensor: W₁ [P, in, out], b₁ [P, 1, out], W₂, b₂, ..."""
        return [
            flat[:, start : start + a * b].view(-1, a, b)
            for start, (a, b) in zip(self._offsets, self._shapes, strict=False)
        ]

    @property
    def free(self) -> Tensor:
        """The `extra` free parameters, `[P, extra]`, differentiable."""
        return self.flat[:, self._offsets[-1] : self._offsets[-1] + self.extra]

    def __call__(self, x: Tensor, e: Tensor | None = None) -> Tensor:
        """Outputs `[P, B, outputs]`, differentiable in the parameters and in float inputs."""
        return self.at(self.flat, x, e)

    def at(self, flat: Tensor, x: Tensor, e: Tensor | None = None) -> Tensor:
        """Outputs with other parameters `[P, n]` than its own: a target network's, or its own as constants."""
        if e is not None and x.is_floating_point():
            x, e = torch.cat([x, e], 2), None
        if not torch.is_grad_enabled() and kernels.used(flat):
            return kernels.forward(self.shape, flat, x, e)
        output: Tensor = _Perceptron.apply(flat, x, e, self)
        return output

    def chosen(self, x: Tensor, column: Tensor) -> Tensor:
        """Output number `column` `[P, B]` of each input, `[P, B]`, differentiable in the parameters.

        The others, thousands where they stand for actions, are not computed.
        """
        output: Tensor = _Chosen.apply(self.flat, x, column, self)
        return output

    def forward(self, flat: Tensor, x: Tensor, e: Tensor | None = None, *, hidden_only: bool = False) -> list[Tensor]:
        """Activations of each layer, the outputs last. With ids `e` stands apart; with floats it is part of x."""
        blocks = self.blocks(flat)
        activations: list[Tensor] = []
        for layer in range(0, len(blocks) - 2 * hidden_only, 2):
            weight, bias = blocks[layer], blocks[layer + 1]
            if layer == 0 and not x.is_floating_point():
                h = self._look_up(flat, x).add_(bias)
                h = h if e is None else h.baddbmm_(e, weight[:, self.inputs :])
            else:
                h = _product(x if layer == 0 else activations[-1], weight).add_(bias)
            if layer < len(blocks) - 2:
                h = _tanh_(h) if self.activation == "tanh" else h.relu_()
            activations.append(h)
        return activations

    def backward(
        self,
        flat: Tensor,
        x: Tensor,
        e: Tensor | None,
        activations: Sequence[Tensor],
        delta: Tensor,
        grad: Tensor | None,
    ) -> Tensor:
        """Write the gradients of the parameters into `grad` `[P, n]`, if given; the gradient of the first layer's sums.

        `activations` are those of the layers before the one whose sums (before its activation) have gradient `delta`.
        """
        blocks = self.blocks(flat)
        grads = [] if grad is None else self.blocks(grad)
        for layer in range(2 * len(activations), -1, -2):
            h = activations[layer // 2 - 1] if layer > 0 else x
            if grad is not None:
                torch.sum(delta, 1, keepdim=True, out=grads[layer + 1])
                if h.is_floating_point():
                    _product(h.transpose(1, 2), delta, out=grads[layer])
                else:
                    grads[0].zero_()
                    self._scatter(grad, x, delta)
                    if e is not None:
                        grads[0][:, self.inputs :] = torch.bmm(e.transpose(1, 2), delta)
            if layer > 0:
                weight = blocks[layer].transpose(1, 2)
                delta = self.before_activation(delta * weight if delta.shape[2] == 1 else torch.bmm(delta, weight), h)
        return delta

    def before_activation(self, delta: Tensor, h: Tensor) -> Tensor:
        """The gradient of a layer's sums, in place of that of its activations h."""
        if self.activation == "tanh":
            return torch.ops.aten.tanh_backward.grad_input(delta, h, grad_input=delta)
        return torch.ops.aten.threshold_backward.grad_input(delta, h, 0, grad_input=delta)

    def _row_ids(self, ids: Tensor) -> Tensor:
        first = torch.arange(self.runs, device=ids.device).mul_(self._rows)
        return ids + first[:, None, None]

    def _look_up(self, flat: Tensor, ids: Tensor) -> Tensor:
        rows = flat.detach().view(-1, self._shapes[0][1]).index_select(0, self._row_ids(ids).reshape(-1))
        found = rows.view(*ids.shape, -1)
        return found[:, :, 0] if ids.shape[2] == 1 else found.sum(2)

    def _scatter(self, grad: Tensor, ids: Tensor, delta: Tensor) -> None:
        table = grad.view(-1, delta.shape[2])
        rows = self._row_ids(ids)
        for k in range(ids.shape[2]):
            table.index_add_(0, rows[:, :, k].reshape(-1), delta.reshape(-1, delta.shape[2]))


def _product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """a b, into `out` if given. Where b has few columns, bmm of the transposed is 3 to 8 times as fast."""
    if b.shape[2] > 8:
        return torch.bmm(a, b) if out is None else torch.bmm(a, b, out=out)
    product = torch.bmm(b.transpose(1, 2), a.transpose(1, 2)).transpose(1, 2)
    return product if out is None else out.copy_(product)


def _tanh_(x: Tensor) -> Tensor:
    """tanh x = 2 σ(2x) − 1 in place, 2.5 times as fast as torch's own; off by 2e-7 at most in float32."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


class _Perceptron(torch.autograd.Function):
    """An MLP as one node of the graph; see MLP.forward and MLP.backward."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, x: Tensor, e: Tensor | None, mlp: MLP) -> Tensor:
        activations = mlp.forward(flat, x, e)
        ctx.save_for_backward(flat, x, e, *activations[:-1])
        ctx.mlp = mlp
        return activations[-1]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        flat, x, e, *activations = ctx.saved_tensors
        parameters, of_x, of_e, _ = ctx.needs_input_grad
        grad = torch.empty_like(flat) if parameters else None
        if grad is not None:
            grad[:, ctx.mlp.network_size :] = 0  # free parameters and padding
        delta = ctx.mlp.backward(flat, x, e, activations, grad_output, grad)
        if not (of_x or of_e):
            return grad, None, None, None
        first = ctx.mlp.blocks(flat)[0] if e is None else ctx.mlp.blocks(flat)[0][:, ctx.mlp.inputs :]
        grad_inputs = torch.bmm(delta, first.transpose(1, 2))
        return grad, grad_inputs if of_x else None, grad_inputs if of_e else None, None


class _Chosen(torch.autograd.Function):
    """One output of each input of an MLP as one node of the graph; see MLP.chosen."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, x: Tensor, column: Tensor, mlp: MLP) -> Tensor:
        hidden = mlp.forward(flat, x, hidden_only=True)
        weight, bias = mlp.blocks(flat)[-2:]
        columns = weight.gather(2, column[:, None].expand(-1, weight.shape[1], -1)).transpose(1, 2).contiguous()
        ctx.save_for_backward(flat, x, column, columns, *hidden)
        ctx.mlp = mlp
        return (hidden[-1] * columns).sum(2).add_(bias[:, 0].gather(1, column))

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:
        flat, x, column, columns, *hidden = ctx.saved_tensors
        grad = torch.zeros_like(flat)
        weight, bias = ctx.mlp.blocks(grad)[-2:]
        g = grad_output[..., None]
        weight.scatter_add_(2, column[:, None].expand(-1, weight.shape[1], -1), (g * hidden[-1]).transpose(1, 2))
        bias[:, 0].scatter_add_(1, column, grad_output)
        ctx.mlp.backward(flat, x, None, hidden[:-1], ctx.mlp.before_activation(g * columns, hidden[-1]), grad)
        return grad, None, None, None


class Encoder:
    """The one-layer encoders of Figure 1b: P maps x ↦ tanh(W x), bounded in (−1, 1).

    `[P, B, inputs]` floats or `[P, B, k]` ids → `[P, B, outputs]`.

    Ids stand for a sum of one-hot vectors; W then is a table of `inputs` rows. Entries start uniform in ±`bound`
    (torch.nn.Linear's 1/√inputs unless told otherwise).
    """

    def __init__(self, streams: Streams, inputs: int, outputs: int, *, bound: float | None = None):
        bound = inputs**-0.5 if bound is None else bound
        self.weight = streams.uniform(inputs, outputs, dtype=torch.float32).mul_(2 * bound).sub_(bound).requires_grad_()

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings of x."""
        if x.is_floating_point():
            return torch.bmm(x, self.weight).tanh()
        runs, inputs, outputs = self.weight.shape
        first = torch.arange(runs, device=x.device).mul_(inputs)[:, None, None]
        rows = self.weight.flatten(0, 1).index_select(0, (x + first).flatten()).view(*x.shape, outputs)
        return (rows[:, :, 0] if x.shape[2] == 1 else rows.sum(2)).tanh()

    def table(self) -> Tensor:
        """The embedding of every id, `[P, inputs, outputs]`."""
        return self.weight.tanh()


class Linear:
    """P affine maps x ↦ x W + b, `[P, B, inputs]` → `[P, B, outputs]`.

    W and b are one tensor `[P, inputs + 1, outputs]`, whose last row is b. Entries start uniform in ±1/√inputs.
    """

    def __init__(self, streams: Streams, inputs: int, outputs: int):
        uniform = streams.uniform(inputs + 1, outputs, dtype=torch.float32)
        self.weight = uniform.mul_(2).sub_(1).mul_(inputs**-0.5).requires_grad_()

    def __call__(self, x: Tensor) -> Tensor:
        """x W + b."""
        return torch.baddbmm(self.weight[:, -1:], x, self.weight[:, :-1])

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """How far it is from predicting targets from x, `[P]`.

        Vectors `[P, B, outputs]`: mean squared error. Ids `[P, B, k]`, of k-hot targets: −E ln of the softmax at a hot
        output, in nats; its least value is ln k.
        """
        if target.is_floating_point():
            return (self(x) - target).square().mean((1, 2))
        if kernels.used(self.weight):
            return kernels.cross_entropy(self.weight, x, target)
        return -self(x).log_softmax(2).gather(2, target).mean((1, 2))
