"""The library against the plain reference: same parameters and same batches give the same updates."""

from collections.abc import Iterator

import gymnasium
import pytest
import torch
from torch import Tensor

from benchmarks import pairs, reference
from jsae.agents.replay import Batch
from jsae.embeddings.base import embed
from jsae.environments.gridworld import Gridworld
from jsae.environments.gymnasium_api import GRIDWORLD
from jsae.environments.half_cheetah import HalfCheetah
from jsae.experience.environment import Environment, build
from jsae.experience.samples import random_transitions
from jsae.experience.trajectories import Experience
from jsae.nn import compiled, kernels
from jsae.purchases import ngram
from jsae.training.trainer import Settings, Trainer
from tests import made_shops
from tests.made_worlds import REELS

SMALL = {"actuators": 4, "discrete": True, "bins": 6, "walls": (), "goal": (0.3, 0.3, 0.9, 0.9)}
SEEDS = [3, 4]


@pytest.fixture(autouse=True, params=["compiled", "plain"])
def path(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here, on both of the CPU's paths."""
    if request.param == "compiled":
        if compiled.library(kernels.SOURCE) is None:
            pytest.skip("JSAE_KERNELS=plain, or ziglang is not installed")
        yield
    else:
        with kernels.plain():
            yield


EPOCHS = 2


@pytest.fixture(scope="module")
def worlds() -> dict[str, Environment]:
    model = ngram.tensors(made_shops.counted(made_shops.SHOP, window=3, similarity=True))
    shop = {"boost": 3.0, "bonus": 0.05, "start": "popularity", "episode_length": 9}
    reels = {"reels": REELS, "moves": 3, "fraction": 0.25, "minimum_count": 2}
    return {
        "gridworld": Gridworld(**(GRIDWORLD | SMALL | {"episode_length": 9})),
        "half-cheetah": HalfCheetah(episode_length=9),
        "slot-machine": build("slot_machine", {**reels, "episode_length": 9}),
        "recommender": build("recommender", {**shop, "model": model}),
    }


def made(world: Environment, agent: str, embedding: str) -> Trainer:
    arguments = {"discount": 0.97}
    if agent == "sac":
        arguments |= {"entropy_weight": 0.2, "act_limit": 1.1, "polyak": 0.9, "replay_capacity": 500}
        arguments |= {"update_steps": 3, "batch_size": 16, "start_steps": 20, "update_after": 20}
    else:
        arguments |= {"gae_lambda": 0.9, "train_pi_iters": 4, "train_v_iters": 3, "target_kl": 0.02}
        arguments |= {"clip": 0.1} if agent == "ppo" else {}
    settings = Settings(
        num_envs=5,
        hidden_sizes=[8, 7],
        initial_standard_deviations=[0.5, 0.7],
        actor_learning_rates=[0.01, 0.003],
        critic_learning_rates=[0.01, 0.02],
        agent_parameters=arguments,
        reward_scale=1.0,
        continual=None,
    )
    return Trainer(world, embed(embedding, world, SEEDS, 3, 2), agent, SEEDS, settings)


def dense(trainer: Trainer, observation: Tensor) -> Tensor:
    """Ids as n-hot vectors."""
    world = trainer.environment
    return reference.one_hot(observation, world.observation_size) if world.discrete_observations else observation


def paths_of(trainer: Trainer, experience: Experience, run: int) -> list[reference.Path]:
    """A run's epoch, cut into episodes."""
    o = dense(trainer, torch.cat([experience.observation, experience.last_observation[:, None]], 1)[run])
    reward, terminated = experience.reward[run], experience.terminated[run]
    steps, num_envs = reward.shape
    found = []
    for env in range(num_envs):
        start = 0
        for t in range(steps):
            ended = bool(terminated[t, env])
            if ended or t == steps - 1:
                choice = experience.latent[run, start : t + 1, env]
                rewards = reward[start : t + 1, env].double().numpy()
                found.append(reference.Path(o[start : t + 2, env], choice, rewards, ended))
                start = t + 1
    return found


CASES = [("gridworld", embedding) for embedding in ("none", "ra", "jsae")]
CASES += [("slot-machine", "none"), ("slot-machine", "jsae"), ("recommender", "none"), ("recommender", "jsae")]
CASES += [("half-cheetah", "none"), ("half-cheetah", "jsae")]


@pytest.mark.parametrize("agent", ["vpg", "ppo"])
@pytest.mark.parametrize(("environment", "embedding"), CASES)
def test_on_policy_updates_are_those_of_the_reference(
    worlds: dict[str, Environment], environment: str, agent: str, embedding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs, so that the optimisers' moments count too; terminated and cut episodes, the KL stop."""
    trainer = made(worlds[environment], agent, embedding)
    plain = [pairs.plain_agent(trainer, run) for run in range(2)]
    seen: list[Experience] = []
    update = trainer.agent.update
    monkeypatch.setattr(trainer.agent, "update", lambda *given: (seen.append(given[0]), update(*given))[1])
    for _ in range(EPOCHS):
        trainer.run_epoch()
    if environment == "gridworld":
        assert seen[0].terminated.any()
    for run, agent_beside in enumerate(plain):
        for experience in seen:
            agent_beside.update(paths_of(trainer, experience, run))
        actor, critic = agent_beside.actor, agent_beside.critic
        free = [actor.log_std] if isinstance(actor, reference.GaussianActor) else []
        assert_equal(trainer.agent.policy.network.flat[run], pairs.flattened(actor.net, *free))
        assert_equal(trainer.agent.critic.flat[run], pairs.flattened(critic))


@pytest.mark.parametrize(("environment", "embedding"), CASES)
def test_soft_actor_critic_updates_are_those_of_the_reference(
    worlds: dict[str, Environment], environment: str, embedding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The squashed Gaussian, and the softmax with its exact sums, on the minibatches of two epochs."""
    trainer = made(worlds[environment], "sac", embedding)
    plain = [pairs.plain_agent(trainer, run) for run in range(2)]
    agent, batches, noises = trainer.agent, [], []
    take, noise = agent.replay.take, agent.models.noise
    monkeypatch.setattr(agent.replay, "take", lambda index: batches.append(take(index)) or batches[-1])
    monkeypatch.setattr(agent.models, "noise", lambda *given: noises.append(noise(*given)) or noises[-1])
    for _ in range(EPOCHS):
        trainer.run_epoch()
    models = trainer.agent.models
    for run, agent_beside in enumerate(plain):
        fields = (torch.cat([field[run] for field in column]).split(16) for column in zip(*batches, strict=True))
        drawn = torch.cat([epoch[run] for epoch in noises])
        minibatches = [Batch(*step) for step in zip(*fields, strict=True)]
        assert len(minibatches) == len(drawn) == EPOCHS * 3
        for batch, both in zip(minibatches, drawn, strict=True):
            observation, next_observation = dense(trainer, batch.observation), dense(trainer, batch.next_observation)
            agent_beside.update(
                reference.Minibatch(observation, batch.latent, batch.reward, next_observation, batch.terminated, *both)
            )
        actor = agent_beside.actor
        free = [actor.log_std] if isinstance(actor, reference.GaussianActor) else []
        assert_equal(models.policy.network.flat[run], pairs.flattened(actor.net, *free))
        for twin in range(2):
            assert_equal(models.critics.flat[2 * run + twin], pairs.flattened(agent_beside.critics[twin]))
            targets = trainer.weights()["targets"][run, twin]
            assert_equal(targets, pairs.flattened(agent_beside.targets[twin]))


@pytest.mark.parametrize(("environment", "embedding"), [case for case in CASES if case[1] != "none"])
def test_embeddings_learn_as_the_references_do(
    worlds: dict[str, Environment], environment: str, embedding: str
) -> None:
    """Loss and gradients of Eq. (5) (of RA's loss, and Eq. (6)), and the action that a point of E means."""
    trainer = made(worlds[environment], "vpg", embedding)
    ours, run = trainer.embedding, 1
    plain = pairs.plain_embedding(trainer, run)
    data = random_transitions(trainer.environment, SEEDS, 40)
    loss = ours.loss(data)
    loss.sum().backward()
    o, following = (dense(trainer, seen[run]) for seen in (data.observation, data.next_observation))
    beside = plain.loss(reference.Transitions(o, data.action[run], following, data.target[run]))
    beside.backward()
    torch.testing.assert_close(loss[run], beside)
    torch.testing.assert_close(ours.parameters["g"].grad[run], plain.g.weight.grad.T)
    if embedding == "jsae":
        gradient = ours.parameters["transition"].grad[run]
        torch.testing.assert_close(gradient, torch.cat([plain.T.weight.grad.T, plain.T.bias.grad[None]]))
        torch.testing.assert_close(ours.parameters["phi"].grad[run], plain.phi.weight.grad.T)
    points = torch.rand(2, 50, 2) * 2 - 1
    torch.testing.assert_close(ours.to_action(points)[run], plain.to_action(points[run]))


def assert_equal(flat: Tensor, expected: Tensor) -> None:
    """Equal within rounding, of which Adam makes more for the odd weight whose gradient is hardly there; the library's
    row may be padded."""
    found = flat.detach()[: len(expected)]
    assert torch.isclose(found, expected, rtol=2e-4, atol=2e-5).float().mean() > 0.999
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=5e-4)


def test_the_plain_loop_cuts_paths_where_they_end(worlds: dict[str, Environment]) -> None:
    env = gymnasium.make("jsae/Gridworld-v0", **SMALL, max_episode_steps=9)
    env.reset(seed=0)
    torch.manual_seed(0)
    agent = pairs.plain_agent(made(worlds["gridworld"], "vpg", "none"), 0)
    epochs: list[list[reference.Path]] = []
    agent.update = lambda paths: epochs.append(list(paths))
    reference.train_on_policy(agent, reference.World(env), epochs=2, steps=60)
    for paths in epochs:
        assert sum(len(path.reward) for path in paths) == 60
        assert all(len(path.o) == len(path.reward) + 1 == len(path.latent) + 1 for path in paths)
        assert all(len(path.reward) == 9 for path in paths[:-1] if not path.terminated)
        assert any(path.terminated for path in paths)
        assert all((path.reward[-1] > 0.9) == path.terminated for path in paths)
