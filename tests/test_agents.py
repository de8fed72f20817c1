"""Each agent with each embedding: its gradient by finite differences, its learning on probes of known value."""

import math
from typing import Any

import pydantic
import pytest
import torch

from jsae.agents.policies import Categorical, Gaussian, SquashedGaussian
from jsae.agents.sac import SAC
from jsae.agents.vpg import VPG, policy_gradient_loss
from jsae.config.doc import Doc, parameters_of
from jsae.config.registry import load, names
from jsae.embeddings.base import Embedding, embed
from jsae.embeddings.learner import Learner
from jsae.experience.environment import Environment
from jsae.experience.samples import random_transitions
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams
from jsae.training.pretraining import pretrain
from jsae.training.trainer import Settings, Trainer
from tests import probes

SEEDS = [0, 1]
EMBEDDINGS = ["none", "ra", "jsae"]
AGENTS = ["vpg", "ppo", "sac"]
ENTROPY_WEIGHT = 0.1
NEVER: Any = {"window": 10**6, "minimum_improvement": 0.0}
"""Pre-training does not stop by itself."""


def settings(
    agent: str, train_pi_iters: int = 1, train_v_iters: int = 40, rate: float = 0.01, deviation: float = 0.6
) -> Settings:
    runs = len(SEEDS)
    arguments: dict[str, float] = {"discount": 0.9}
    if agent == "sac":
        arguments |= {"entropy_weight": ENTROPY_WEIGHT, "act_limit": 1.1, "polyak": 0.5, "replay_capacity": 10_000}
        arguments |= {"update_steps": train_v_iters // 2, "batch_size": 64, "start_steps": 50, "update_after": 50}
    else:
        arguments |= {"gae_lambda": 0.97, "train_pi_iters": train_pi_iters, "train_v_iters": train_v_iters}
        arguments |= {"clip": 0.2, "target_kl": 0.05} if agent == "ppo" else {}
    return Settings(
        num_envs=16,
        hidden_sizes=[16, 16],
        initial_standard_deviations=[deviation] * runs,
        actor_learning_rates=[rate] * runs,
        critic_learning_rates=[0.01] * runs,
        agent_parameters=arguments,
        reward_scale=1.0,
        continual=None,
    )


def embedded(name: str, environment: Environment) -> Embedding:
    """The embedding, pre-trained on random transitions where it learns."""
    embedding = embed(name, environment, SEEDS, 3, 2)
    if embedding.learnt:
        data = random_transitions(environment, SEEDS, 400)
        learner = Learner(embedding, Streams(SEEDS, "test"), learning_rate=0.03, weight_decay=0.0)
        pretrain(embedding, data, learner, epochs=30, batch_size=100, validation_share=0.1, **NEVER)
    return embedding


def trained(environment: Environment, agent: str, embedding: str, epochs: int, **changes: float) -> Trainer:
    trainer = Trainer(environment, embedded(embedding, environment), agent, SEEDS, settings(agent, **changes))
    for _ in range(epochs):
        trainer.run_epoch()
    return trainer


def values(trainer: Trainer, *states: int) -> torch.Tensor:
    """V of states, `[P, states]`; the lesser Q of a latent action where that is what the critics know."""
    x = inputs(trainer, *states)
    with torch.no_grad():
        if not isinstance(trainer.agent, SAC):
            return trainer.agent.critic(x)[..., 0]
        size = trainer.embedding.latent_size
        latent = torch.zeros(*x.shape[:2], size) if size else torch.zeros(x.shape[:2], dtype=torch.int64)
        return trainer.agent.models.q(x, latent).amin(1)


def worth_of_entropy(trainer: Trainer, state: int) -> torch.Tensor:
    """α H(π(· | state)) of each run, `[P]`: what a step in that state is worth on top of its reward."""
    if not isinstance(trainer.agent, SAC):
        return torch.zeros(len(SEEDS))
    policy = trainer.agent.models.policy
    x = inputs(trainer, *([state] * 4000))
    with torch.no_grad():
        if isinstance(policy, SquashedGaussian):
            _, log_p = policy.sample_with_log_probability(x, policy.draw(Streams(SEEDS, "entropy"), 4000))
            return -ENTROPY_WEIGHT * log_p.mean(1)
        return ENTROPY_WEIGHT * torch.distributions.Categorical(logits=policy.network(x[:, 0:1])).entropy()[:, 0]


def inputs(trainer: Trainer, *states: int) -> torch.Tensor:
    return trainer.embedding.represent(torch.tensor(states).repeat(len(SEEDS), 1)[..., None]).detach()


PARAMETERS: dict[str, dict[str, Any]] = {
    "vpg": {"gae_lambda": 0.97, "train_pi_iters": 1, "train_v_iters": 80, "target_kl": None},
    "ppo": {"clip": 0.2, "gae_lambda": 0.97, "train_pi_iters": 80, "train_v_iters": 80, "target_kl": 0.015},
    "sac": {"entropy_weight": 0.1, "act_limit": 1.1, "polyak": 0.999, "replay_capacity": 1_000_000,
            "update_steps": 50, "batch_size": 256, "start_steps": 0, "update_after": 1_000},
}  # fmt: skip
WRONG = [("vpg", "gae_lambda", 1.1), ("vpg", "gae_lambda", math.nan), ("vpg", "target_kl", math.inf),
         ("vpg", "target_kl", 0.0), ("vpg", "train_pi_iters", 0), ("ppo", "clip", 1.0), ("ppo", "target_kl", None),
         ("ppo", "train_v_iters", 0), ("sac", "entropy_weight", -0.1), ("sac", "entropy_weight", math.inf),
         ("sac", "act_limit", math.inf), ("sac", "polyak", 1.0), ("sac", "replay_capacity", 0),
         ("sac", "start_steps", -1)]  # fmt: skip


def validated(agent: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values as a schema made of the constructor's signature reads them."""
    fields: dict[str, Any] = {name: (hint, ...) for name, hint in parameters_of(load("agents", agent)).items()}
    return pydantic.create_model(agent, __config__={"extra": "forbid", "strict": True}, **fields)(**values).model_dump()


@pytest.mark.parametrize("agent", AGENTS)
def test_the_signature_of_an_agent_is_the_schema_of_its_parameters(agent: str) -> None:
    assert validated(agent, PARAMETERS[agent]) == PARAMETERS[agent]
    assert set(load("agents", agent).searched) <= PARAMETERS[agent].keys()
    for hint in parameters_of(load("agents", agent)).values():
        [doc] = [note for note in hint.__metadata__ if isinstance(note, Doc)]
        assert doc.meaning
        assert doc.source


@pytest.mark.parametrize(("agent", "name", "value"), WRONG)
def test_a_parameter_out_of_range_is_refused(agent: str, name: str, value: float | None) -> None:
    with pytest.raises(pydantic.ValidationError, match=name):
        validated(agent, PARAMETERS[agent] | {name: value})


def test_agents_have_distinct_labels_and_places_in_legends() -> None:
    assert names("agents") == sorted(AGENTS)
    for attribute in ("label", "order"):
        assert len({getattr(load("agents", agent), attribute) for agent in AGENTS}) == len(AGENTS)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("embedding", EMBEDDINGS)
class TestProbes:
    def test_constant_reward(self, agent: str, embedding: str) -> None:
        found = values(trained(probes.ConstantReward(), agent, embedding, 8), 0)
        torch.testing.assert_close(found, torch.ones(2, 1), atol=0.03, rtol=0)

    def test_reward_of_the_state(self, agent: str, embedding: str) -> None:
        found = values(trained(probes.RewardOfState(), agent, embedding, 12), 0, 1)
        torch.testing.assert_close(found, torch.tensor([[-1.0, 1.0]] * 2), atol=0.05, rtol=0)

    def test_discounting(self, agent: str, embedding: str) -> None:
        trainer = trained(probes.DelayedReward(), agent, embedding, 12)
        last = torch.ones(2)
        first = 0.9 * (last + worth_of_entropy(trainer, 1))
        torch.testing.assert_close(values(trainer, 0, 1), torch.stack([first, last], 1), atol=0.05, rtol=0)

    def test_truncation_goes_on_in_value(self, agent: str, embedding: str) -> None:
        trainer = trained(probes.Endless(), agent, embedding, 20)
        expected = (1 + 0.9 * worth_of_entropy(trainer, 0)) / (1 - 0.9)
        torch.testing.assert_close(values(trainer, 0)[:, 0], expected, atol=0.3, rtol=0)

    def test_the_action_that_pays(self, agent: str, embedding: str) -> None:
        trainer = trained(probes.RewardOfAction(), agent, embedding, 80, rate=0.05, train_v_iters=4)
        returns = trainer.history()["epoch_return"]
        assert (returns[:, 0] < 0.9).all()
        assert (returns[:, -10:].mean(1) > 0.9).all()


def test_a_bandits_gradient_is_its_closed_form() -> None:
    """∂J/∂logit(a) = π(a)(r(a) − J), the expectation taken over every action with its probability."""
    policy = Categorical(Streams([0], "test"), 1, (4, 4), 5, runs=1)
    policy.network.flat = policy.network.flat.detach().double().requires_grad_()
    reward = torch.tensor([[1.0, -2.0, 0.5, 3.0, 0.0]], dtype=torch.float64)
    x, actions = torch.ones(1, 5, 1, dtype=torch.float64), torch.arange(5)[None]
    log_p = policy.log_probability(x, actions)
    p = log_p.detach().exp()
    value = (p * reward).sum()
    policy_gradient_loss(log_p, 5 * p * (reward - value)).sum().backward()
    assert policy.network.flat.grad is not None
    bias_gradient = policy.network.blocks(policy.network.flat.grad)[-1][0, 0]
    torch.testing.assert_close(-bias_gradient, (p * (reward - value))[0])


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_vpg_gradient_by_finite_differences(kind: str) -> None:
    runs, batch = 2, 9
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(runs, batch, 3, generator=generator, dtype=torch.float64)
    advantage = torch.randn(runs, batch, generator=generator, dtype=torch.float64)
    streams = Streams(range(runs), "test")
    policy: Gaussian | Categorical
    if kind == "gaussian":
        policy = Gaussian(streams, 3, (5, 5), 2, torch.tensor([0.4, 0.7]))
        latent = torch.randn(runs, batch, 2, generator=generator, dtype=torch.float64)
    else:
        policy = Categorical(streams, 3, (5, 5), 4, runs=runs)
        latent = torch.randint(4, (runs, batch), generator=generator)
    policy.network.flat = policy.network.flat.detach().double().requires_grad_()

    def loss() -> torch.Tensor:
        return policy_gradient_loss(policy.log_probability(x, latent), advantage)

    loss().sum().backward()
    gradient = policy.network.flat.grad
    assert gradient is not None
    direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        start, step = policy.network.flat.clone(), 1e-5
        policy.network.flat.copy_(start + step * direction)
        ahead = loss()
        policy.network.flat.copy_(start - step * direction)
        behind = loss()
    torch.testing.assert_close((ahead - behind) / (2 * step), (gradient * direction).sum(1), rtol=1e-6, atol=1e-8)


def test_a_run_stops_at_target_kl_while_another_goes_on() -> None:
    """Two runs of different learning rates: the fast one passes the limit and stops after fewer steps."""
    streams = Streams(SEEDS, "test")
    policy = Gaussian(streams, 3, (8, 8), 2, torch.full((2,), 0.5))
    agent = VPG(
        policy,
        MLP(streams, 3, (8, 8), 1, runs=2),
        actor_learning_rates=torch.tensor([0.1, 1e-5]),
        critic_learning_rates=torch.full((2,), 1e-3),
        discount=0.9,
        gae_lambda=0.97,
        train_pi_iters=10,
        train_v_iters=1,
        target_kl=0.05,
    )
    trainer = Trainer(probes.RewardOfAction(), embedded("jsae", probes.RewardOfAction()), "vpg", SEEDS, settings("vpg"))
    trainer.agent = agent
    trainer.run_epoch()
    fast, slow = trainer.history()["pi_iters"][:, 0].tolist()
    assert fast < 10
    assert slow == 10
