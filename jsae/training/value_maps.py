"""Maps of a gridworld as a trained agent sees it: what its critic thinks every place is worth, and where it goes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from jsae.agents.policies import ActionSpec, Policy, policy_over
from jsae.embeddings import base
from jsae.experience.environment import Environment
from jsae.experience.rollout import collect
from jsae.io import checkpoint
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams


class TrainedAgents:
    """Policy and critic of the agents of one cell, as their training left them.

    environment: a gridworld, bins: of its maps along each axis. embedding: one of the kind and seeds of the cell.
    weights: the content of the cell's weights file. Only agents that learn a value of states have a critic that can be
    drawn (VPG, PPO).
    """

    def __init__(
        self,
        environment: Environment,
        bins: int,
        embedding: base.Embedding,
        seeds: Sequence[int],
        hidden_sizes: Sequence[int],
        weights: dict[str, Tensor],
    ):
        self.environment, self.bins, self.embedding, self.seeds = environment, bins, embedding, seeds
        streams, runs = Streams(seeds, "maps"), len(seeds)
        choices = ActionSpec(embedding.latent_size or environment.action_size, environment.n_actions or 0)
        self.policy: Policy = policy_over(choices, streams, embedding.input_size, hidden_sizes, torch.ones(runs))
        self.critic = MLP(streams, embedding.input_size, hidden_sizes, 1, members=runs)
        with torch.no_grad():
            self.policy.network.flat.copy_(weights["actor"])
            self.critic.flat.copy_(weights["critic"])
        base.restore(embedding, checkpoint.under("embedding", weights))

    @torch.no_grad()
    def values(self) -> Tensor:
        """The critic at the centre of every bin, [P, bins, bins]: first x, then y."""
        bins = self.bins
        centres = (torch.arange(bins) + 0.5) / bins
        positions = torch.cartesian_prod(centres, centres).expand(len(self.seeds), -1, -1).contiguous()
        x = self.embedding.represent(self.environment.observe(positions))
        return self.critic(x)[..., 0].unflatten(1, (bins, bins))

    @torch.no_grad()
    def visits(self, episodes: int) -> Tensor:
        """Share of the steps that begin in each bin, [P, bins, bins], over episodes of the policy as it was trained:
        with its chance."""
        environment, bins, streams = self.environment, self.bins, Streams(self.seeds, "visits")

        def act(state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
            choice = self.policy.sample(self.embedding.represent(environment.observe(state)), noise)
            return choice, self.embedding.to_action(choice)

        noise = self.policy.draw(streams, environment.episode_length, episodes)
        state = collect(environment, act, noise, streams).state.flatten(1, 2)
        x_bin, y_bin = torch.bucketize(state, torch.arange(1, bins, dtype=torch.float32) / bins).unbind(-1)
        counts = torch.zeros(len(self.seeds), bins**2).scatter_add_(1, x_bin * bins + y_bin, torch.ones(x_bin.shape))
        return (counts / x_bin.shape[1]).unflatten(1, (bins, bins))
