"""Soft actor-critic: its equations by hand and by finite differences, its memory, its independence and its resume."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import AffineTransform, Normal, TanhTransform, TransformedDistribution

from jsae.agents import sac
from jsae.agents.policies import SquashedGaussian
from jsae.agents.replay import Replay
from jsae.agents.sac import ContinuousActorCritic, DiscreteActorCritic
from jsae.embeddings.base import embed
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Experience
from jsae.nn.randomness import Streams
from jsae.training.trainer import Continual, Settings, Trainer, train
from tests import probes

P, B, ALPHA = 2, 7, 0.3
SEEDS = [4, 5]
CONTINUAL = Continual(epochs=1, batch_size=10, learning_rate=0.01, weight_decay=1e-4)


def test_squashed_log_probability_is_that_of_torch() -> None:
    policy = SquashedGaussian(Streams(range(P), "test"), 3, (4, 4), 2, torch.tensor([0.3, 0.8]), 1.1)
    x, noise = torch.randn(P, B, 3), torch.randn(P, B, 2)
    e, log_p = policy.sample_with_log_probability(x, noise)
    scale = torch.tensor([0.3, 0.8])[:, None, None].expand(P, B, 2)
    bounded = [TanhTransform(cache_size=1), AffineTransform(0.0, 1.1, cache_size=1)]
    distribution = TransformedDistribution(Normal(policy.network(x), scale), bounded)
    torch.testing.assert_close(log_p, distribution.log_prob(e).sum(2), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(policy.log_probability(x, e), log_p, rtol=1e-3, atol=1e-3)
    assert torch.equal(policy.sample(x, noise), e)


def test_the_squashed_density_integrates_to_one_within_its_bounds() -> None:
    policy = SquashedGaussian(Streams([0], "test"), 1, (4, 4), 1, torch.tensor([0.6]), 1.1)
    policy.network.flat = policy.network.flat.detach().double()
    grid = torch.linspace(-1.1, 1.1, 20_002, dtype=torch.float64)[1:-1]
    x = torch.ones(1, len(grid), 1, dtype=torch.float64)
    density = policy.log_probability(x, grid[None, :, None]).exp()
    assert float(density.sum() * (grid[1] - grid[0])) == pytest.approx(1, abs=1e-6)


def test_log_probability_is_finite_where_tanh_is_flat() -> None:
    policy = SquashedGaussian(Streams([0], "test"), 1, (4, 4), 1, torch.tensor([1.0]), 1.1)
    e, log_p = policy.sample_with_log_probability(torch.ones(1, 2, 1), torch.tensor([[[-40.0], [40.0]]]))
    log_p.sum().backward()
    torch.testing.assert_close(e.flatten(), torch.tensor([-1.1, 1.1]))
    assert torch.isfinite(log_p).all()
    assert torch.isfinite(policy.network.flat.grad).all()


def test_targets_and_losses_by_hand() -> None:
    reward, value = torch.tensor([[1.0, 1.0]]), torch.tensor([[10.0, 10.0]])
    targets = sac.soft_targets(reward, torch.tensor([[False, True]]), value, 0.9)
    torch.testing.assert_close(targets, torch.tensor([[10.0, 1.0]]))
    q = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    torch.testing.assert_close(sac.critic_loss(q, torch.tensor([[0.0, 2.0]])), torch.tensor([0.5 + 6.5]))
    values = sac.sampled_soft_value(q, torch.tensor([[-1.0, 2.0]]), 0.5)
    torch.testing.assert_close(values, torch.tensor([[1.5, 1.0]]))
    torch.testing.assert_close(sac.policy_loss(values), torch.tensor([-1.25]))


def test_exact_soft_value_by_hand() -> None:
    q = torch.tensor([[[[1.0, 2.0]], [[2.0, 0.0]]]])  # the lesser of the two critics: 1 and 0
    log_p = torch.tensor([[[0.25, 0.75]]]).log()
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    value, found = sac.exact_soft_value(q, log_p + 2.0, 0.5)  # what is added to every logit changes nothing
    torch.testing.assert_close(value, torch.tensor([[0.25 * 1 + 0.75 * 0 + 0.5 * entropy]]))
    torch.testing.assert_close(found, torch.tensor([[entropy]]))


def test_the_exact_soft_values_gradient_is_that_of_its_formula() -> None:
    q = torch.randn(P, 2, B, 5, dtype=torch.float64)
    logits = torch.randn(P, B, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(P, B, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((weights * sac.exact_soft_value(q, logits, ALPHA)[0]).sum(), logits)
    log_p = logits.log_softmax(2)
    plain = (log_p.exp() * (q.amin(1) - ALPHA * log_p)).sum(2)
    torch.testing.assert_close(gradient, torch.autograd.grad((weights * plain).sum(), logits)[0])


def test_the_best_discrete_policy_is_the_softmax_of_q_over_alpha() -> None:
    """There the policy's gradient vanishes and the soft value is α ln Σ_a exp(Q / α)."""
    q = torch.randn(P, 1, B, 5, dtype=torch.float64).expand(-1, 2, -1, -1)
    logits = (q[:, 0] / ALPHA).clone().requires_grad_()
    value, _ = sac.exact_soft_value(q, logits, ALPHA)
    torch.testing.assert_close(value, ALPHA * (q[:, 0] / ALPHA).logsumexp(2))
    sac.policy_loss(value).sum().backward()
    torch.testing.assert_close(logits.grad, torch.zeros_like(logits))


def in_double(models: ContinuousActorCritic | DiscreteActorCritic) -> None:
    for network in (models.policy.network, models.critics):
        network.flat = network.flat.detach().double().requires_grad_()


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("part", ["policy", "critics"])
def test_gradients_by_finite_differences(kind: str, part: str, ids: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    streams = Streams(range(P), "test")
    models: ContinuousActorCritic | DiscreteActorCritic
    if kind == "continuous":
        models = ContinuousActorCritic(streams, 6, 2, (5, 5), torch.tensor([0.4, 0.8]), 1.1)
        latent = torch.rand(P, B, 2, generator=generator, dtype=torch.float64)
    else:
        models = DiscreteActorCritic(streams, 6, 4, (5, 5), P)
        latent = torch.randint(4, (P, B), generator=generator)
    in_double(models)
    x = torch.randn(P, B, 6, generator=generator, dtype=torch.float64)
    x = torch.randint(6, (P, B, 1), generator=generator) if ids else x
    noise = models.noise(Streams(range(P), "noise"), B).double()
    target = torch.randn(P, B, generator=generator, dtype=torch.float64)
    flat = models.policy.network.flat if part == "policy" else models.critics.flat

    def loss() -> Tensor:
        if part == "critics":
            return sac.critic_loss(models.q(x, latent), target)
        return sac.policy_loss(models.soft_value(models.critics.flat.detach(), x, noise, ALPHA)[0])

    loss().sum().backward()
    gradient = flat.grad
    assert gradient is not None
    assert (gradient != 0).any(1).all()
    direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        start, step = flat.clone(), 1e-6
        flat.copy_(start + step * direction)
        ahead = loss()
        flat.copy_(start - step * direction)
        behind = loss()
    expected = (gradient * direction).view(P, -1).sum(1)
    torch.testing.assert_close((ahead - behind) / (2 * step), expected, rtol=1e-5, atol=1e-7)


def test_the_critics_of_a_latent_action_are_those_of_its_action() -> None:
    models = DiscreteActorCritic(Streams(range(P), "test"), 3, 4, (5, 5), P)
    x, latent = torch.randn(P, B, 3), torch.randint(4, (P, B))
    found = models.q(x, latent)
    for run in range(P):
        for twin in range(2):
            w1, b1, w2, b2, w3, b3 = (block[2 * run + twin] for block in models.critics.blocks(models.critics.flat))
            outputs = ((x[run] @ w1 + b1).relu() @ w2 + b2).relu() @ w3 + b3
            torch.testing.assert_close(found[run, twin], outputs[range(B), latent[run]])


def epoch(number: int, steps: int, num_envs: int) -> Experience:
    """Experience in which every number tells its run, epoch, step and episode."""
    index = torch.arange((steps + 1) * num_envs).view(1, steps + 1, num_envs) + 1000 * number
    index = torch.cat([index, index + 100_000])
    now = index[:, :-1]
    return Experience(index[:, :-1, :, None], index[:, -1, :, None], now + 1, now.float() + 2, now % 3 == 0)


@settings(max_examples=40, deadline=None)
@given(
    epochs=st.integers(1, 7),
    steps=st.integers(1, 4),
    num_envs=st.integers(1, 3),
    room=st.integers(0, 4),
    back=st.booleans(),
)
def test_the_replay_buffer_holds_the_last_whole_epochs(
    epochs: int, steps: int, num_envs: int, room: int, back: bool
) -> None:
    replay = Replay(room * steps * num_envs + steps * num_envs // 2)
    for number in range(epochs):
        replay.add(epoch(number, steps, num_envs))
        if back and number == epochs // 2:
            saved = replay.tensors()
            replay = Replay(room * steps * num_envs + steps * num_envs // 2)
            replay.load(saved)
    held = min(epochs, max(room, 1))
    assert replay.steps == epochs * steps * num_envs
    assert replay.size == held * steps * num_envs
    batch = replay.take(torch.arange(replay.size).repeat(2, 1))
    expected = torch.cat([epoch(n, steps, num_envs).observation.flatten(1, 2) for n in range(epochs - held, epochs)], 1)
    order = batch.observation[..., 0].argsort(1)
    assert torch.equal(batch.observation[..., 0].gather(1, order), expected[..., 0])
    assert torch.equal(batch.next_observation, batch.observation + num_envs)
    assert torch.equal(batch.latent, batch.observation[..., 0] + 1)
    assert torch.equal(batch.reward, batch.observation[..., 0] + 2.0)
    assert torch.equal(batch.terminated, batch.observation[..., 0] % 3 == 0)


def make(
    environment: Environment,
    embedding: str,
    seeds: list[int],
    *,
    continual: bool = False,
    hidden: int = 8,
    **changes: float,
) -> Trainer:
    runs = len(seeds)
    arguments = {"discount": 0.9, "entropy_weight": 0.1, "act_limit": 1.1, "polyak": 0.8, "replay_capacity": 100}
    arguments |= {"update_steps": 4, "batch_size": 8, "start_steps": 30, "update_after": 30}
    values = Settings(
        num_envs=5,
        hidden_sizes=[hidden, hidden],
        initial_standard_deviations=[0.5] * runs,
        actor_learning_rates=[0.01] * runs,
        critic_learning_rates=[0.01] * runs,
        agent_parameters={**arguments, **changes},
        reward_scale=1.0,
        continual=CONTINUAL if continual else None,
    )
    return Trainer(environment, embed(embedding, environment, seeds, 3, 2), "sac", seeds, values)


CASES = [("none", False), ("ra", False), ("jsae", False), ("jsae", True)]


@pytest.mark.parametrize(("embedding", "continual"), CASES)
def test_a_batch_of_runs_equals_each_run_alone(embedding: str, continual: bool) -> None:
    seeds = [0, 1, 2]
    together = make(probes.DelayedReward(), embedding, seeds, continual=continual)
    alone = [make(probes.DelayedReward(), embedding, [seed], continual=continual) for seed in seeds]
    for trainer in (together, *alone):
        for _ in range(5):
            trainer.run_epoch()
    for metric, values in together.history().items():
        separate = torch.cat([trainer.history()[metric] for trainer in alone])
        torch.testing.assert_close(values, separate, rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize(("embedding", "continual"), CASES)
def test_resuming_changes_no_bit(embedding: str, continual: bool, tmp_path: Path) -> None:
    """Stopped while latent actions are uniform, and again when the ring has wrapped."""

    def go_on(epochs: int, name: str) -> None:
        train(make(probes.DelayedReward(), embedding, SEEDS, continual=continual), epochs, tmp_path / name)

    go_on(7, "whole")
    for epochs in (1, 5, 7):
        go_on(epochs, "parts")
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "parts").read_bytes()


def test_a_checkpoint_holds_only_what_the_buffer_has(tmp_path: Path) -> None:
    train(make(probes.DelayedReward(), "jsae", SEEDS, replay_capacity=10**8), 1, tmp_path / "saved")
    assert (tmp_path / "saved").stat().st_size < 100_000


def test_targets_follow_the_critics_by_polyak_averaging() -> None:
    trainer = make(probes.DelayedReward(), "jsae", SEEDS, update_steps=1, update_after=0)
    before = {name: weight.clone() for name, weight in trainer.agent.weights().items()}
    assert torch.equal(before["targets"], before["critics"])
    for _ in range(3):
        trainer.run_epoch()
        after = trainer.agent.weights()
        torch.testing.assert_close(after["targets"], 0.8 * before["targets"] + 0.2 * after["critics"])
        assert not torch.equal(after["critics"], before["critics"])
        before = {name: weight.clone() for name, weight in after.items()}


@pytest.mark.parametrize("embedding", ["none", "jsae"])
def test_it_begins_with_uniform_latent_actions_and_without_learning(embedding: str) -> None:
    """30 steps an epoch: two epochs of uniform latent actions, one without update steps."""
    environment = probes.RewardOfAction()
    environment.episode_length = 6
    trainer = make(environment, embedding, SEEDS, start_steps=31, update_after=31)
    uniform = []
    for _ in range(3):
        noise = trainer.agent.draw(Streams(SEEDS, "look"), 6, 5)
        states = torch.zeros(len(SEEDS), 5, 1, dtype=torch.int64)
        uniform.append(torch.equal(trainer.agent.sample(trainer.embedding.represent(states), noise[:, 0]), noise[:, 0]))
        assert not uniform[-1] or (noise.abs() < (1 if embedding == "jsae" else environment.n_actions)).all()
        trainer.run_epoch()
    assert uniform == [True, True, False]
    history = trainer.history()
    assert history["pi_iters"].tolist() == [[0, 4, 4]] * 2
    for metric in ("policy_loss", "critic_loss", "entropy"):
        assert history[metric].isnan().tolist() == [[True, False, False]] * 2


class Quadratic(probes.Probe):
    """One step in a continuous space, worth −(a − 0.4)²."""

    n_actions = None
    action_size = 1
    episode_length = 1

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return state, -(action[..., 0] - 0.4).square(), torch.ones(action.shape[:-1], dtype=torch.bool)


def test_a_continuous_policy_becomes_exp_of_q_over_alpha() -> None:
    """exp(−(a − 0.4)² / α) is a Gaussian around 0.4 of standard deviation √(α / 2) = 0.2."""
    trainer = make(
        Quadratic(),
        "none",
        SEEDS,
        hidden=32,
        entropy_weight=0.08,
        replay_capacity=1000,
        update_steps=40,
        batch_size=64,
        start_steps=50,
        update_after=50,
    )
    for _ in range(25):
        trainer.run_epoch()
    policy = trainer.agent.models.policy
    x = torch.zeros(len(SEEDS), 4000, 1, dtype=torch.int64)
    points = policy.sample(x, policy.draw(Streams(SEEDS, "look"), 4000)).detach()[..., 0]
    torch.testing.assert_close(points.mean(1), torch.full((2,), 0.4), atol=0.05, rtol=0)
    torch.testing.assert_close(points.std(1), torch.full((2,), 0.2), atol=0.04, rtol=0)
