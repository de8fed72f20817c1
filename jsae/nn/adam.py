"""Adam for a batch of runs: P runs side by side along a leading axis."""

from collections.abc import Sequence

import torch
from torch import Tensor

from jsae.nn import kernels

FIRST_DECAY, SECOND_DECAY = 0.9, 0.999
"""β₁ and β₂ of Adam."""


class Adam:
    """Adam (Kingma & Ba 2015) over a batch of runs's parameters `[P, ...]`, with a learning rate for each run.

    `step(active)` leaves the runs whose entry is False exactly as they are, moments included: that is how one
    run stops early while the others go on. On the CPU the arithmetic is torch's own fused kernel, run by run,
    called without torch.optim, whose first use imports torch's compiler: seconds in every process. On a GPU it is a
    few operations on all runs at once: their number is what counts there, and nothing waits for `active`.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        learning_rates: Tensor,
        *,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        self._parameters = list(parameters)
        self._epsilon, self._weight_decay = epsilon, weight_decay
        device = self._parameters[0].device
        self._on_cpu, self._rates = device.type == "cpu", learning_rates.to(device)
        self._runs_at: dict[float, list[int]] = {}
        for run, rate in enumerate(learning_rates.tolist()):
            self._runs_at.setdefault(rate, []).append(run)
        self._first = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]
        self._second = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]
        self._steps = [torch.zeros(len(p), device=p.device) for p in self._parameters]
        # Of each parameter tensor, views of a run's values and state, made once: they take longer than a small step.
        self._rows = [
            list(zip(p.detach(), *state, strict=True))
            for p, *state in zip(self._parameters, self._first, self._second, self._steps, strict=True)
        ]

    def ahead(self, count: int) -> kernels.State:
        """The state of its one parameter tensor, for `count` steps that are taken elsewhere."""
        (parameter,), (first,), (second,), (steps,) = self._parameters, self._first, self._second, self._steps
        steps = steps.double()[:, None] + torch.arange(1, count + 1, device=self._rates.device)
        rates = (self._rates[:, None] / (1 - FIRST_DECAY**steps)).float()
        scales = (1 - SECOND_DECAY**steps).rsqrt().float()
        return kernels.State(parameter.detach(), first, second, rates, scales)

    def count(self, taken: Tensor | int) -> None:
        """So many steps of each run, or `[P]`, have been taken elsewhere."""
        for steps in self._steps:
            steps += taken

    @torch.no_grad()
    def step(self, active: Tensor | None = None) -> None:
        """One step of the runs that are `active` `[P]` along the parameters' `.grad`, which is then dropped."""
        if self._on_cpu:
            self._step_each(active)
        else:
            self._step_together(active)
        for parameter in self._parameters:
            parameter.grad = None

    def _step_each(self, active: Tensor | None) -> None:
        moves = None if active is None else active.tolist()
        for rate, runs in self._runs_at.items():
            moving = [i for i in runs if moves is None or moves[i]]
            found = [
                (parameter.grad[i], *rows[i])
                for parameter, rows in zip(self._parameters, self._rows, strict=True)
                if parameter.grad is not None
                for i in moving
            ]
            if found:
                gradients, values, first, second, steps = zip(*found, strict=True)
                torch._foreach_add_(steps, 1)
                torch._fused_adam_(
                    values,
                    gradients,
                    first,
                    second,
                    [],
                    steps,
                    lr=rate,
                    beta1=FIRST_DECAY,
                    beta2=SECOND_DECAY,
                    weight_decay=self._weight_decay,
                    eps=self._epsilon,
                    amsgrad=False,
                    maximize=False,
                )

    def _step_together(self, active: Tensor | None) -> None:
        for parameter, *state in zip(self._parameters, self._first, self._second, self._steps, strict=True):
            if parameter.grad is None:
                continue
            first, second, steps = state
            gradient = parameter.grad.add(parameter, alpha=self._weight_decay)
            first = first.lerp(gradient, 1 - FIRST_DECAY)
            second = second.lerp(gradient.square(), 1 - SECOND_DECAY)
            steps = steps + 1
            rates = self._rates / (1 - FIRST_DECAY ** steps.double())
            scales = (1 - SECOND_DECAY ** steps.double()).sqrt()
            rates, scales = (a.float().view(-1, *(1,) * (parameter.dim() - 1)) for a in (rates, scales))
            moved = parameter - rates * first / (second.sqrt() / scales + self._epsilon)
            for old, new in zip((parameter, *state), (moved, first, second, steps), strict=True):
                if active is not None:
                    new = new.where(active.view(-1, *(1,) * (old.dim() - 1)), old)
                old.copy_(new)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, for a checkpoint."""
        kinds = {"first": self._first, "second": self._second, "steps": self._steps}
        return {f"{kind}.{number}": tensor for kind, tensors in kinds.items() for number, tensor in enumerate(tensors)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])
