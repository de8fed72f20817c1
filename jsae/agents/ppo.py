"""Proximal policy optimisation, clipped (Schulman et al. 2017; Spinning Up's PPO; section 5, A.4.2: clip 0.2).

for each epoch:
    collect trajectories with π_old
    compute rewards-to-go R̂_t and advantages Â_t (GAE, λ), normalised over the epoch
    for each policy step, until E[ln π_old − ln π_θ] exceeds target_kl:
        θ ← θ + α_π ∇_θ E[min(r_t Â_t, clip(r_t, 1 − ε, 1 + ε) Â_t)],  r_t = π_θ(a_t | s_t) / π_old(a_t | s_t)
    fit the critic: min_ψ E[(V_ψ(s_t) − R̂_t)²]
"""

from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt
from torch import Tensor

from jsae.agents.on_policy import OnPolicyAgent
from jsae.agents.policies import Policy
from jsae.config.doc import Doc, Finite
from jsae.nn.mlp import MLP

__all__ = ["PPO", "clipped_surrogate_loss"]


def clipped_surrogate_loss(log_p: Tensor, old_log_p: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """−E[min(r Â, clip(r, 1 − ε, 1 + ε) Â)], r = π / π_old (Schulman et al. 2017, Eq. 7); `[P, B]` → `[P]`."""
    ratio = (log_p - old_log_p).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -(ratio * advantage).minimum(clipped * advantage).mean(1)


class PPO(OnPolicyAgent):
    """Clipped surrogate, early stop on KL. `clip` is ε; see OnPolicyAgent for the other arguments."""

    label = "PPO"
    order = 1
    searched = ()  # its policy steps end by themselves, once the policy has moved far enough

    def __init__(
        self,
        policy: Policy,
        critic: MLP,
        *,
        clip: Annotated[Finite, Gt(0), Lt(1), Doc("ε: how far the probability ratio counts", "A.4.2")],
        train_pi_iters: Annotated[
            int, Ge(1), Doc("gradient steps of the policy an epoch at most", "not stated: Spinning Up's 80")
        ],
        target_kl: Annotated[
            Finite,
            Gt(0),
            Doc("policy steps end when E[ln π_old − ln π] exceeds it", "not stated: Spinning Up's 1.5 × 0.01"),
        ],
        **arguments: Any,
    ):
        super().__init__(policy, critic, train_pi_iters=train_pi_iters, target_kl=target_kl, **arguments)
        self.clip = clip

    def policy_loss(self, log_p: Tensor, old_log_p: Tensor, advantage: Tensor) -> Tensor:
        """See `clipped_surrogate_loss`."""
        return clipped_surrogate_loss(log_p, old_log_p, advantage, self.clip)

    @property
    def compiled_clip(self) -> float | None:
        """ε; None for a subclass, which may have another loss."""
        return self.clip if type(self) is PPO else None
