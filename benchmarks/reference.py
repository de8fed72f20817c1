"""A plain trainer: one environment, one seed, one step at a time, in the structure of Spinning Up.

The same mathematics as the library's in torch.nn, torch.optim and loops, and none of its code: what the benchmarks
measure the library's speed against, and what tests compare its updates with. Ids are dense one-hot vectors here (n-hot
where an observation has several), and actions are ids throughout.

| name | what |
|---|---|
| Raw, Jsae, Ra | the embeddings: what the policy sees, and what action its latent action means |
| Vpg, Ppo | on-policy agents: `act`, `update` from an epoch's paths |
| Sac, DiscreteSac | off-policy agents: `act`, `update` from one minibatch |
| train_on_policy, train_off_policy | epochs of experience in a Gymnasium environment, and updates |
"""

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import scipy.signal
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal
from torch.nn import functional as F


def network(sizes: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """Linear layers with an activation between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def one_hot(ids: Any, size: int) -> Tensor:
    """Vectors `[..., size]` with ones at ids `[..., k]`."""
    ids = torch.as_tensor(ids)
    return torch.zeros(*ids.shape[:-1], size).scatter_(-1, ids, 1.0)


class Transitions(NamedTuple):
    """What an embedding learns from: `[B, ...]` observations, actions, next observations and targets of Eq. (5)."""

    o: Tensor
    a: Tensor
    o2: Tensor
    target: Tensor


class Raw(nn.Module):
    """No embedding."""

    def represent(self, o: Tensor) -> Tensor:
        return o

    def to_action(self, latent: Tensor) -> Tensor:
        return latent


class Jsae(nn.Module):
    """φ, g and T of Eq. (5); f is the nearest neighbour, or a network trained on Eq. (6) where actions are vectors."""

    def __init__(self, observation_size: int, n_actions: int, action_size: int, targets: int, m: int, d: int):
        super().__init__()
        self.n_actions = n_actions
        self.phi = nn.Linear(observation_size, m, bias=False)
        self.g = nn.Linear(n_actions or action_size, d, bias=False)
        self.T = nn.Linear(m + d, targets)
        self.f = None if n_actions else network([d, 64, action_size], nn.Tanh)

    def represent(self, o: Tensor) -> Tensor:
        return self.phi(o).tanh()

    def to_action(self, latent: Tensor) -> Tensor:
        if self.f is not None:
            return self.f(latent).clamp(-1, 1)
        return torch.cdist(latent, self.g.weight.T.tanh()).argmin(-1)

    def loss(self, batch: Transitions) -> Tensor:
        a = one_hot(batch.a[..., None], self.n_actions) if self.n_actions else batch.a
        e = self.g(a).tanh()
        prediction = self.T(torch.cat([self.represent(batch.o), e], -1))
        if self.f is None:
            return F.cross_entropy(prediction, batch.target)
        return F.mse_loss(prediction, batch.target) + F.mse_loss(self.f(e.detach()), batch.a)


class Ra(nn.Module):
    """Chandak et al. (2019): g embeds (s, s′), f is a softmax over negative distances to the actions' embeddings."""

    def __init__(self, observation_size: int, n_actions: int, d: int):
        super().__init__()
        self.g = nn.Linear(2 * observation_size, d, bias=False)
        self.actions = nn.Parameter(torch.empty(n_actions, d).uniform_(-1, 1))

    def represent(self, o: Tensor) -> Tensor:
        return o

    def to_action(self, latent: Tensor) -> Tensor:
        return torch.cdist(latent, self.actions.tanh()).argmin(-1)

    def loss(self, batch: Transitions) -> Tensor:
        e = self.g(torch.cat([batch.o, batch.o2], -1)).tanh()
        return F.cross_entropy(-torch.cdist(e, self.actions.tanh()), batch.a)


class GaussianActor(nn.Module):
    def __init__(self, sizes: Sequence[int], deviation: float):
        super().__init__()
        self.net = network(sizes, nn.Tanh)
        self.log_std = nn.Parameter(torch.full((sizes[-1],), math.log(deviation)))

    def distribution(self, x: Tensor) -> Normal:
        return Normal(self.net(x), self.log_std.exp())

    def log_prob(self, x: Tensor, latent: Tensor) -> Tensor:
        return self.distribution(x).log_prob(latent).sum(-1)


class CategoricalActor(nn.Module):
    def __init__(self, sizes: Sequence[int]):
        super().__init__()
        self.net = network(sizes, nn.Tanh)

    def distribution(self, x: Tensor) -> Categorical:
        return Categorical(logits=self.net(x))

    def log_prob(self, x: Tensor, latent: Tensor) -> Tensor:
        return self.distribution(x).log_prob(latent)


def discounted_sums(values: np.ndarray, discount: float) -> np.ndarray:
    """Σ_k discount^k values[t + k] for each t."""
    return scipy.signal.lfilter([1], [1, -discount], values[::-1], axis=0)[::-1]


class Path(NamedTuple):
    """An episode, or what was seen of it.

    | field | shape | what |
    |---|---|---|
    | o | [t + 1, f] | observations, the one that the last step led to included |
    | latent | [t, ...] | the policy's latent actions |
    | reward | [t] | scaled for learning |
    | terminated | | whether it ended; else it was cut, and V of the last observation stands in for the rest |
    """

    o: Tensor
    latent: Tensor
    reward: np.ndarray
    terminated: bool


class Vpg:
    """Vanilla policy gradient; `train_pi_iters` and `target_kl` as in the library."""

    def __init__(
        self,
        embedding: Any,
        actor: Any,
        critic: nn.Module,
        *,
        actor_learning_rate: float,
        critic_learning_rate: float,
        discount: float,
        gae_lambda: float,
        train_pi_iters: int,
        train_v_iters: int,
        target_kl: float | None = None,
    ):
        self.embedding, self.actor, self.critic = embedding, actor, critic
        self.discount, self.gae_lambda, self.target_kl = discount, gae_lambda, target_kl
        self.train_pi_iters, self.train_v_iters = train_pi_iters, train_v_iters
        self.actor_adam = torch.optim.Adam(actor.parameters(), lr=actor_learning_rate)
        self.critic_adam = torch.optim.Adam(critic.parameters(), lr=critic_learning_rate)

    def act(self, o: Tensor) -> tuple[Tensor, Tensor]:
        """What the policy chooses, and the action that it means."""
        with torch.no_grad():
            latent = self.actor.distribution(self.embedding.represent(o)).sample()
            return latent, self.embedding.to_action(latent)

    def policy_loss(self, log_p: Tensor, old_log_p: Tensor, advantage: Tensor) -> Tensor:
        return -(log_p * advantage).mean()

    def update(self, paths: Sequence[Path]) -> None:
        """Learn from an epoch."""
        advantages, returns = [], []
        for path in paths:
            with torch.no_grad():
                value = self.critic(self.embedding.represent(path.o))[:, 0].numpy()
            value[-1] = 0 if path.terminated else value[-1]
            delta = path.reward + self.discount * value[1:] - value[:-1]
            advantages.append(discounted_sums(delta, self.discount * self.gae_lambda))
            returns.append(discounted_sums(np.append(path.reward, value[-1]), self.discount)[:-1])
        advantage = torch.as_tensor(np.concatenate(advantages), dtype=torch.float32)
        advantage = (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)
        target = torch.as_tensor(np.concatenate(returns), dtype=torch.float32)
        with torch.no_grad():
            x = self.embedding.represent(torch.cat([path.o[:-1] for path in paths]))
        latent = torch.cat([path.latent for path in paths])

        old_log_p = self.actor.log_prob(x, latent).detach()
        for _ in range(self.train_pi_iters):
            log_p = self.actor.log_prob(x, latent)
            if self.target_kl is not None and (old_log_p - log_p).mean() > self.target_kl:
                break
            self.actor_adam.zero_grad()
            self.policy_loss(log_p, old_log_p, advantage).backward()
            self.actor_adam.step()
        for _ in range(self.train_v_iters):
            self.critic_adam.zero_grad()
            F.mse_loss(self.critic(x)[:, 0], target).backward()
            self.critic_adam.step()


class Ppo(Vpg):
    """The clipped surrogate in place of the policy gradient's."""

    def __init__(self, *arguments: Any, clip: float, **named: Any):
        super().__init__(*arguments, **named)
        self.clip = clip

    def policy_loss(self, log_p: Tensor, old_log_p: Tensor, advantage: Tensor) -> Tensor:
        ratio = (log_p - old_log_p).exp()
        return -torch.min(ratio * advantage, ratio.clamp(1 - self.clip, 1 + self.clip) * advantage).mean()


class Minibatch(NamedTuple):
    """`[B, ...]` transitions of the replay buffer, and noise of a policy's points at next and present observations."""

    o: Tensor
    latent: Tensor
    reward: Tensor
    o2: Tensor
    terminated: Tensor
    next_noise: Tensor
    noise: Tensor


class Sac:
    """Soft actor-critic with a squashed Gaussian of fixed-width deviations, twin critics and a fixed α."""

    def __init__(
        self,
        embedding: Any,
        actor: Any,
        critics: Sequence[nn.Module],
        *,
        actor_learning_rate: float,
        critic_learning_rate: float,
        discount: float,
        entropy_weight: float,
        polyak: float,
        act_limit: float,
    ):
        self.embedding, self.actor, self.critics = embedding, actor, nn.ModuleList(critics)
        self.targets = copy.deepcopy(self.critics)
        self.discount, self.alpha, self.polyak, self.act_limit = discount, entropy_weight, polyak, act_limit
        self.actor_adam = torch.optim.Adam(actor.parameters(), lr=actor_learning_rate)
        self.critic_adam = torch.optim.Adam(self.critics.parameters(), lr=critic_learning_rate)

    def act(self, o: Tensor) -> tuple[Tensor, Tensor]:
        """What the policy chooses, and the action that it means."""
        with torch.no_grad():
            latent = self.act_limit * self.actor.distribution(self.embedding.represent(o)).sample().tanh()
            return latent, self.embedding.to_action(latent)

    def q(self, critics: Any, x: Tensor, latent: Tensor) -> list[Tensor]:
        """Q_i of x and latent, `[B]` each."""
        return [critic(torch.cat([x, latent], -1))[:, 0] for critic in critics]

    def soft_value(self, critics: Any, x: Tensor, noise: Tensor) -> Tensor:
        """min_i Q_i − α ln π of one point, `[B]`."""
        normal = self.actor.distribution(x)
        u = normal.mean + normal.stddev * noise
        log_p = normal.log_prob(u).sum(-1)
        log_p -= (math.log(self.act_limit) + 2 * (math.log(2) - u - F.softplus(-2 * u))).sum(-1)
        return torch.min(*self.q(critics, x, self.act_limit * u.tanh())) - self.alpha * log_p

    def update(self, batch: Minibatch) -> None:
        """One step of the critics, one of the actor, and one of the targets towards the critics."""
        with torch.no_grad():
            x, x2 = self.embedding.represent(batch.o), self.embedding.represent(batch.o2)
            following = self.soft_value(self.targets, x2, batch.next_noise)
            y = batch.reward + self.discount * (~batch.terminated) * following
        self.critic_adam.zero_grad()
        sum(F.mse_loss(q, y) for q in self.q(self.critics, x, batch.latent)).backward()
        self.critic_adam.step()
        self.critics.requires_grad_(False)
        self.actor_adam.zero_grad()
        (-self.soft_value(self.critics, x, batch.noise).mean()).backward()
        self.actor_adam.step()
        self.critics.requires_grad_(True)
        with torch.no_grad():
            for target, own in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                target.mul_(self.polyak).add_((1 - self.polyak) * own)


class DiscreteSac(Sac):
    """Christodoulou (2019): expectations over a softmax are sums over all actions."""

    def act(self, o: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            latent = self.actor.distribution(self.embedding.represent(o)).sample()
            return latent, self.embedding.to_action(latent)

    def q(self, critics: Any, x: Tensor, latent: Tensor) -> list[Tensor]:
        return [critic(x).gather(1, latent[:, None])[:, 0] for critic in critics]

    def soft_value(self, critics: Any, x: Tensor, noise: Tensor) -> Tensor:
        policy = self.actor.distribution(x)
        q = torch.min(*[critic(x) for critic in critics])
        return (policy.probs * (q - self.alpha * policy.logits)).sum(-1)


class World:
    """A Gymnasium environment as the trainer sees it: dense observations, one episode after the other."""

    def __init__(self, env: gymnasium.Env[Any, Any]):
        self.env, space = env, env.observation_space
        self._discrete_actions = isinstance(env.action_space, gymnasium.spaces.Discrete)
        self._blocks: np.ndarray | None = None
        if isinstance(space, gymnasium.spaces.Discrete):
            self._blocks, self._size = np.zeros(1, dtype=np.int64), int(space.n)
        elif isinstance(space, gymnasium.spaces.MultiDiscrete):
            self._blocks, self._size = np.cumsum(space.nvec) - space.nvec, int(space.nvec.sum())

    def reset(self) -> Tensor:
        """The first observation of an episode."""
        return self.see(self.env.reset()[0])

    def step(self, action: Tensor) -> tuple[Tensor, float, bool, bool, Any]:
        """Next observation, reward, terminated, truncated, and the observation as it came."""
        act = int(action) if self._discrete_actions else action.numpy()
        seen, reward, terminated, truncated, _ = self.env.step(act)
        return self.see(seen), float(reward), terminated, truncated, seen

    def see(self, seen: Any) -> Tensor:
        """An observation as a vector."""
        if self._blocks is None:
            return torch.as_tensor(seen, dtype=torch.float32)
        return one_hot(self._blocks + np.atleast_1d(seen), self._size)


class Step(NamedTuple):
    """What an embedding that goes on learning needs of a step: as vectors, and the next observation as it came."""

    o: Tensor
    action: Tensor
    o2: Tensor
    seen: Any


def forget(steps: Sequence[Step]) -> None:
    """After an epoch there is nothing more to learn."""


def train_on_policy(
    agent: Vpg,
    world: World,
    *,
    epochs: int,
    steps: int,
    reward_scale: float = 1.0,
    after_epoch: Callable[[Sequence[Step]], None] = forget,
) -> None:
    """`epochs` of `steps` steps each, and an update after each; `after_epoch` is given the epoch's steps."""
    for _ in range(epochs):
        paths, taken = [], []
        o = world.reset()
        observations, latents, rewards = [o], [], []
        for t in range(steps):
            latent, action = agent.act(o[None])
            o2, reward, terminated, truncated, seen = world.step(action[0])
            taken.append(Step(o, action[0], o2, seen))
            observations.append(o2)
            latents.append(latent[0])
            rewards.append(reward_scale * reward)
            o = o2
            if terminated or truncated or t == steps - 1:
                paths.append(Path(torch.stack(observations), torch.stack(latents), np.array(rewards), terminated))
                o = world.reset()
                observations, latents, rewards = [o], [], []
        agent.update(paths)
        after_epoch(taken)


def train_off_policy(
    agent: Sac,
    world: World,
    *,
    epochs: int,
    steps: int,
    updates: int,
    batch_size: int,
    latent_size: int,
    reward_scale: float = 1.0,
    after_epoch: Callable[[Sequence[Step]], None] = forget,
) -> None:
    """`epochs` of `steps` steps each, and `updates` minibatches of all that was seen after each."""
    memory: list[tuple[Tensor, Tensor, float, Tensor, bool]] = []
    generator = np.random.default_rng(0)
    for _ in range(epochs):
        taken = []
        o = world.reset()
        for _ in range(steps):
            latent, action = agent.act(o[None])
            o2, reward, terminated, truncated, seen = world.step(action[0])
            taken.append(Step(o, action[0], o2, seen))
            memory.append((o, latent[0], reward_scale * reward, o2, terminated))
            o = world.reset() if terminated or truncated else o2
        for _ in range(updates):
            rows = [memory[i] for i in generator.integers(len(memory), size=batch_size)]
            before, latents, rewards, following, ends = zip(*rows, strict=True)
            agent.update(
                Minibatch(
                    torch.stack(before),
                    torch.stack(latents),
                    torch.tensor(rewards),
                    torch.stack(following),
                    torch.tensor(ends),
                    *torch.randn(2, batch_size, latent_size),
                )
            )
        after_epoch(taken)


class EmbeddingLearner:
    """Adam on an embedding's loss, on shuffled minibatches."""

    def __init__(self, embedding: Any, *, epochs: int, batch_size: int, learning_rate: float, weight_decay: float):
        self.embedding, self.epochs, self.batch_size = embedding, epochs, batch_size
        self.adam = torch.optim.Adam(embedding.parameters(), lr=learning_rate, weight_decay=weight_decay)

    def learn(self, data: Transitions) -> None:
        """Passes over `data`."""
        for _ in range(self.epochs):
            for rows in torch.randperm(len(data.o)).split(self.batch_size):
                self.adam.zero_grad()
                self.embedding.loss(Transitions(*(field[rows] for field in data))).backward()
                self.adam.step()

    def after_epoch(self, steps: Sequence[Step]) -> None:
        """Learn from an epoch. Eq. (5) predicts the newest id of an observation, or the vector that it is."""
        o, a, o2 = (torch.stack(field) for field in list(zip(*steps, strict=True))[:3])
        vectors = isinstance(steps[0].seen, np.ndarray) and steps[0].seen.dtype.kind == "f"
        target = o2 if vectors else torch.tensor([int(np.atleast_1d(step.seen)[-1]) for step in steps])
        self.learn(Transitions(o, a, o2, target))
