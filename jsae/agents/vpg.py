"""Vanilla policy gradient with generalised advantages (Spinning Up's VPG; section 5, A.4.2).

for each epoch:
    collect trajectories with π_θ
    compute rewards-to-go R̂_t and advantages Â_t (GAE, λ), normalised over the epoch
    θ ← θ + α_π ∇_θ E[ln π_θ(a_t | s_t) Â_t]
    fit the critic: min_ψ E[(V_ψ(s_t) − R̂_t)²]
"""

from torch import Tensor

from jsae.agents.on_policy import OnPolicyAgent
from jsae.nn import kernels

__all__ = ["VPG", "policy_gradient_loss"]


def policy_gradient_loss(log_p: Tensor, advantage: Tensor) -> Tensor:
    """−E[ln π(a | s) Â]: its gradient is the policy gradient; `[P, B]` → `[P]`."""
    return -(log_p * advantage).mean(1)


class VPG(OnPolicyAgent):
    """Vanilla policy gradient."""

    label = "VPG"
    order = 0
    searched = ("train_pi_iters",)

    def policy_loss(self, log_p: Tensor, old_log_p: Tensor, advantage: Tensor) -> Tensor:
        """See `policy_gradient_loss`."""
        return policy_gradient_loss(log_p, advantage)

    @property
    def compiled_clip(self) -> float | None:
        """POLICY_GRADIENT; None for a subclass, which may have another loss."""
        return kernels.POLICY_GRADIENT if type(self) is VPG else None
