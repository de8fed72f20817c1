"""The compiled paths against the batched operations that they stand for."""

import contextlib
import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from jsae.agents.policies import ActionSpec, Categorical
from jsae.agents.ppo import PPO
from jsae.agents.replay import Batch
from jsae.agents.sac import SAC
from jsae.agents.vpg import VPG
from jsae.embeddings.action_map import NearestNeighbour
from jsae.embeddings.ra import action_scores
from jsae.nn import compiled, kernels
from jsae.nn.mlp import MLP, Linear
from jsae.nn.randomness import Streams

pytestmark = pytest.mark.skipif(
    compiled.library(kernels.SOURCE) is None, reason="JSAE_KERNELS=plain, or ziglang is not installed"
)
P = 3
STEPS, BATCH = 4, 60


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def ids(count: int, *shape: int) -> Tensor:
    return torch.randint(count, shape, generator=torch.Generator().manual_seed(sum(shape)))


def close(found: Tensor, expected: Tensor, tolerance: float = 2e-6) -> None:
    torch.testing.assert_close(found.double(), expected.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("batch", [1, 7, 48, 100])
@pytest.mark.parametrize("outputs", [1, 5, 16, 300])
@pytest.mark.parametrize(("inputs", "beside"), [(0, 0), (1, 0), (2, 0), (2, 3)])
@pytest.mark.parametrize(("hidden", "activation"), [((9, 6), "tanh"), ((64,), "relu"), ((150, 40, 8), "tanh")])
def test_outputs(batch: int, outputs: int, inputs: int, beside: int, hidden: tuple[int, ...], activation: str) -> None:
    """Tiles that are cut, columns that fill no vector, layers wide enough to be packed; `inputs` ids, or floats."""
    mlp = MLP(Streams(range(P), "test"), 11, hidden, outputs, activation=activation, beside=beside, runs=P)
    x = ids(11, P, batch, inputs) if inputs else drawn(P, batch, 11)
    e = drawn(P, batch, beside) if beside else None
    with torch.no_grad():
        found = mlp(x, e)
        with kernels.plain():
            close(found, mlp(x, e))


@pytest.mark.parametrize("bad", [-1, 11])
def test_ids_outside_the_table_are_refused(bad: int) -> None:
    mlp = MLP(Streams(range(P), "test"), 11, (8,), 1, runs=P)
    x = ids(11, P, 4, 2)
    x[1, 2, 1] = bad
    with torch.no_grad(), pytest.raises(IndexError, match=f"{bad}.*table of 11 rows"):
        mlp(x)


@pytest.mark.parametrize("actions", [1, 7, 8, 300])
@pytest.mark.parametrize("batch", [4, 60])
def test_actions_by_the_inverse_of_the_cumulative_distribution(actions: int, batch: int) -> None:
    policy = Categorical(Streams(range(P), "test"), 11, (16,), actions, P)
    policy.network.flat.data *= 8
    x, uniforms = ids(11, P, batch, 2), torch.rand(P, batch, generator=torch.Generator().manual_seed(0))
    uniforms[:, 0], uniforms[:, 1] = 0, 1 - 2**-24
    found = policy.sample(x, uniforms)
    with kernels.plain(), torch.no_grad():
        expected = policy.sample(x, uniforms)
    assert int((found != expected).sum()) <= 1  # a uniform may lie on a bound, up to the last bits
    assert int(found.min()) >= 0
    assert int(found.max()) < actions


@pytest.mark.parametrize(("size", "actions"), [(1, 1), (2, 37), (8, 835), (3, 16)])
def test_nearest_neighbours(size: int, actions: int) -> None:
    embeddings, e = drawn(P, actions, size), drawn(P, 20, size)
    distances = torch.cdist(e.double(), embeddings.double())
    found = NearestNeighbour(embeddings)(e)
    assert torch.equal(found, distances.argmin(2))


def test_the_first_of_equal_neighbours_is_found() -> None:
    embeddings = torch.zeros(1, 40, 2)
    embeddings[0, :3] = 5
    assert NearestNeighbour(embeddings)(torch.zeros(1, 1, 2)).tolist() == [[3]]


def on_policy(kind: type[VPG] | type[PPO], spec: ActionSpec, inputs: int, target_kl: float | None) -> VPG | PPO:
    rates = torch.tensor([0.01, 0.003, 0.03])
    arguments = {"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 6, "train_v_iters": 5, "target_kl": target_kl}
    arguments |= {"clip": 0.1} if kind is PPO else {}
    return kind.build(
        range(P),
        inputs,
        spec,
        [20, 12],
        torch.tensor([0.3, 0.6, 0.9]),
        actor_learning_rates=rates,
        critic_learning_rates=rates,
        **arguments,
    )


@pytest.mark.parametrize("kind", [VPG, PPO])
@pytest.mark.parametrize("spec", [ActionSpec(3, 0), ActionSpec(0, 5), ActionSpec(0, 200)])
@pytest.mark.parametrize("target_kl", [None, 0.004])
@pytest.mark.parametrize("inputs", ["floats", "ids"])
def test_policy_and_critic_steps(
    kind: type[VPG] | type[PPO], spec: ActionSpec, target_kl: float | None, inputs: str
) -> None:
    """Two rounds, so that Adam's moments count; a run may stop on KL and the others go on."""
    agent = on_policy(kind, spec, 9, target_kl)
    beside = copy.deepcopy(agent)
    batch = 70
    for round_ in range(2):
        x = ids(9, P, batch, 2) if inputs == "ids" else drawn(P, batch, 9 + round_)[..., :9].contiguous()
        latent = drawn(P, batch, 3) if spec.dimensions else ids(spec.actions, P, batch)
        advantage, returns = drawn(P, batch + round_)[:, :batch], drawn(P, batch)
        found = agent._improve_policy(x, latent, advantage), agent._fit_critic(x, returns)
        with kernels.plain():
            expected = beside._improve_policy(x, latent, advantage), beside._fit_critic(x, returns)
        for name, value in expected[0].items():
            close(found[0][name], value, 1e-4)
        close(found[1], expected[1], 1e-5)
    if target_kl is not None and kind is VPG:
        assert len(set(found[0]["pi_iters"].tolist())) > 1
    compare(agent.weights() | agent.tensors(), beside.weights() | beside.tensors())


def test_moments_of_states_that_are_no_longer_visited_become_0_and_change_no_weight() -> None:
    """They shrink to denormal numbers, with which processors are slow."""
    agent = on_policy(VPG, ActionSpec(0, 5), 9, None)
    x, returns = ids(9, P, 40, 1), drawn(P, 40)
    agent._fit_critic(x, returns)
    used = agent._critic_adam._first[0] != 0
    for _ in range(100):
        agent._fit_critic(x.clamp(max=2), returns)
    beside = copy.deepcopy(agent)
    beside._critic_adam._first[0][beside._critic_adam._first[0].abs() < 1e-20] = 0
    for _ in range(100):
        agent._fit_critic(x.clamp(max=2), returns)
        beside._fit_critic(x.clamp(max=2), returns)
    moments = agent._critic_adam._first[0]
    assert (moments[used] == 0).any()
    assert ((moments == 0) | (moments.abs() > 1.17e-38)).all()
    assert torch.equal(agent.critic.flat, beside.critic.flat)
    assert torch.tensor(1e-39) * 1.0 != 0, "what comes after has such numbers again"


def soft_actor_critic(spec: ActionSpec, inputs: str) -> tuple[SAC, Batch, Tensor]:
    """An agent, the transitions of its update steps, and their noise."""
    rates, steps, batch = torch.tensor([0.01, 0.003, 0.03]), STEPS, BATCH
    agent = SAC.build(
        range(P),
        9,
        spec,
        [20, 12],
        torch.tensor([0.3, 0.6, 0.9]),
        act_limit=1.3,
        actor_learning_rates=rates,
        critic_learning_rates=rates,
        discount=0.9,
        entropy_weight=0.2,
        polyak=0.8,
        replay_capacity=1000,
        update_steps=steps,
        batch_size=batch,
        start_steps=0,
        update_after=0,
    )
    rows = P, steps * batch
    observations = [ids(9, *rows, k) if inputs == "ids" else drawn(*rows, 9 + k)[..., :9].contiguous() for k in (2, 3)]
    batches = Batch(
        observation=observations[0],
        next_observation=observations[1][..., :2].contiguous() if inputs == "ids" else observations[1],
        latent=drawn(*rows, 3).tanh() if spec.dimensions else ids(spec.actions, *rows),
        reward=drawn(*rows),
        terminated=drawn(*rows) > 1,
    )
    return agent, batches, drawn(P, steps, 2, batch, spec.dimensions)


@pytest.mark.parametrize("spec", [ActionSpec(3, 0), ActionSpec(0, 5), ActionSpec(0, 200)])
@pytest.mark.parametrize("inputs", ["floats", "ids"])
def test_soft_actor_critic_steps(spec: ActionSpec, inputs: str) -> None:
    agent, batches, noise = soft_actor_critic(spec, inputs)
    beside = copy.deepcopy(agent)
    found = agent._update_steps_compiled(batches, noise, represent)
    total = torch.zeros(3, P)
    with kernels.plain():
        for step in range(STEPS):
            rows_of_step = slice(step * BATCH, (step + 1) * BATCH)
            minibatch = Batch(*(field[:, rows_of_step] for field in batches))
            total += torch.stack(beside._update_step(minibatch, noise[:, step], represent))
    for name, value in zip(("critic_loss", "policy_loss", "entropy"), total / STEPS, strict=True):
        close(found[name], value, 1e-4)
    compare(agent.weights() | agent._optimisers(), beside.weights() | beside._optimisers())


@pytest.mark.parametrize("hot", [1, 3])
@pytest.mark.parametrize("outputs", [1, 5, 300])
@pytest.mark.parametrize("batch", [1, 70])
def test_cross_entropy_of_an_affine_map(hot: int, outputs: int, batch: int) -> None:
    """Loss and gradients, weighted by what comes after."""
    linear, x = Linear(Streams(range(P), "test"), 9, outputs), drawn(P, batch, 9).requires_grad_()
    target, after = ids(outputs, P, batch, hot), torch.tensor([1.0, -2.0, 0.5])
    check_gradients(lambda: linear.loss(x, target), after, linear.weight, x)


def test_classes_out_of_reach() -> None:
    """Where e^logit over the largest is less than any float32 says: 0."""
    linear, x, target = Linear(Streams(range(P), "test"), 9, 300), drawn(P, 70, 9).requires_grad_(), ids(300, P, 70, 1)
    linear.weight.data *= 60
    assert float(linear(x).detach().log_softmax(2).min()) < -150
    check_gradients(lambda: linear.loss(x, target), torch.ones(P), linear.weight, x)


@pytest.mark.parametrize(("size", "actions"), [(2, 1), (2, 7), (3, 64), (8, 300)])
def test_cross_entropy_of_distances(size: int, actions: int) -> None:
    """Where point and action meet too: the distance has no derivative there, and gets none."""
    table, e = drawn(P, actions, size).requires_grad_(), drawn(P, 70, size)
    e[:, 0] = table.detach()[:, 0]
    e.requires_grad_()
    action, after = ids(actions, P, 70), torch.tensor([1.0, -2.0, 0.5])

    def loss() -> Tensor:
        if kernels.used(e):
            return kernels.distance_cross_entropy(table, e, action)
        scores = action_scores(e, table).flatten(0, 1)
        return torch.nn.functional.cross_entropy(scores, action.flatten(), reduction="none").view(P, 70).mean(1)

    check_gradients(loss, after, table, e)


def check_gradients(loss: Callable[[], Tensor], after: Tensor, *parameters: Tensor) -> None:
    found = []
    for path in (contextlib.nullcontext(), kernels.plain()):
        with path:
            value = loss()
            gradients = torch.autograd.grad((value * after).sum(), parameters)
        found.append([value.detach(), *gradients])
    with torch.no_grad():
        assert torch.equal(loss(), found[0][0])
    for one, other in zip(*found, strict=True):
        close(one, other, 1e-5)


def represent(x: Tensor) -> Tensor:
    return x


def compare(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Moments closely; weights within a hundredth of a step, as Adam makes a whole step of a rounding error."""
    for name, value in expected.items():
        tolerance = 2e-5 if "adam" in name else 3e-4
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("spec", [ActionSpec(3, 0), ActionSpec(0, 5)])
def test_nan_reaches_what_is_measured(spec: ActionSpec) -> None:
    """Else a training would go on with nonsense: Trainer looks at these."""
    agent = on_policy(PPO, spec, 9, 0.1)
    x, advantage, returns = drawn(P, 70, 9), drawn(P, 70), drawn(P, 70)
    latent = drawn(P, 70, 3) if spec.dimensions else ids(5, P, 70)
    x[1, 5, 3] = returns[2, 4] = torch.nan
    metrics = agent._improve_policy(x, latent, advantage)
    losses = agent._fit_critic(x, returns)
    assert metrics["kl"].isfinite().tolist() == [True, False, True]
    assert losses.isfinite().tolist() == [True, False, False]


@pytest.mark.parametrize("spec", [ActionSpec(3, 0), ActionSpec(0, 5)])
def test_nan_reaches_what_soft_actor_critic_measures(spec: ActionSpec) -> None:
    """Hidden units of the critics are relu: they must not take a NaN for 0."""
    agent, batches, noise = soft_actor_critic(spec, "floats")
    batches.observation[1, 7, 2] = torch.nan
    metrics = agent._update_steps_compiled(batches, noise, represent)
    assert metrics["critic_loss"].isfinite().tolist() == [True, False, True]


def test_numbers_of_another_kind_are_converted() -> None:
    """A float64 read as float32 would be nonsense, silently."""
    agent = on_policy(PPO, ActionSpec(0, 5), 9, None)
    beside = copy.deepcopy(agent)
    x, advantage, returns, latent = drawn(P, 70, 9), drawn(P, 70), drawn(P, 70), ids(5, P, 70)
    agent._improve_policy(x, latent, advantage)
    beside._improve_policy(x.double(), latent.int(), advantage.double())
    assert torch.equal(agent._fit_critic(x, returns), beside._fit_critic(x.double(), returns.double()))
    assert torch.equal(agent.policy.network.flat, beside.policy.network.flat)


def test_a_subclass_with_its_own_loss_takes_the_plain_path() -> None:
    class Other(VPG):
        def policy_loss(self, log_p: Tensor, old_log_p: Tensor, advantage: Tensor) -> Tensor:
            return super().policy_loss(log_p, old_log_p, advantage) * 0

    agent = on_policy(Other, ActionSpec(0, 5), 9, None)
    before = agent.policy.network.flat.detach().clone()
    agent._improve_policy(drawn(P, 70, 9), ids(5, P, 70), drawn(P, 70))
    assert torch.equal(agent.policy.network.flat.detach(), before)
