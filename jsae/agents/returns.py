"""Returns and advantages of the trajectories of a batch of runs, time along the second axis: `[P, T, N]`.

An episode ends where `terminated` is true, and every trajectory is cut after its last step T − 1. A termination is
worth nothing more; a cut only ends what was seen, so the value of the state it led to, V(s_T), stands in for the rest.
"""

import torch
from torch import Tensor

__all__ = ["first_episode_returns", "generalised_advantages", "normalised", "rewards_to_go"]


def rewards_to_go(reward: Tensor, last_value: Tensor, terminated: Tensor, discount: float) -> Tensor:
    """Σ_k γ^k r_{t+k} up to the end of the episode, bootstrapped at the cut; `[P, T, N]`.

    `last_value` is V(s_T), `[P, N]`.
    """
    go_on = discount * (~terminated).to(reward.dtype)
    returns = torch.empty_like(reward)
    following = last_value
    for t in range(reward.shape[1] - 1, -1, -1):
        following = torch.addcmul(reward[:, t], go_on[:, t], following)
        returns[:, t] = following
    return returns


def generalised_advantages(
    reward: Tensor, value: Tensor, last_value: Tensor, terminated: Tensor, discount: float, gae_lambda: float
) -> Tensor:
    """GAE(γ, λ) (Schulman et al. 2016, Eq. 16): Σ_k (γλ)^k δ_{t+k}, δ_t = r_t + γ V(s_{t+1}) − V(s_t); `[P, T, N]`."""
    go_on = (~terminated).to(reward.dtype)
    next_value = torch.cat([value[:, 1:], last_value[:, None]], 1)
    delta = reward + discount * go_on * next_value - value
    decay = discount * gae_lambda * go_on
    advantages = torch.empty_like(reward)
    following = torch.zeros_like(last_value)
    for t in range(reward.shape[1] - 1, -1, -1):
        following = torch.addcmul(delta[:, t], decay[:, t], following)
        advantages[:, t] = following
    return advantages


def normalised(advantage: Tensor) -> Tensor:
    """Each run's advantages `[P, ...]` with mean 0 and standard deviation 1 over its epoch (Spinning Up)."""
    flat = advantage.flatten(1)
    deviation = flat.std(1, correction=0, keepdim=True)
    return ((flat - flat.mean(1, keepdim=True)) / (deviation + 1e-8)).view_as(advantage)


def first_episode_returns(reward: Tensor, terminated: Tensor) -> Tensor:
    """Undiscounted return of the episode that each trajectory begins with, `[P, N]`.

    Those episodes had the whole length to end in, so their mean is unbiased; later ones in the same trajectory are
    seen only if they are short.
    """
    ended_before = terminated.cumsum(1) - terminated.long()
    return (reward * (ended_before == 0)).sum(1)
