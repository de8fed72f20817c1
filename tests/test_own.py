"""jsae.train on Gymnasium environments: equal to the built-in ones, spaces, cuts, what cannot be used."""

import copy
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import polars as pl
import pytest
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from numpy.typing import ArrayLike

import jsae
from jsae.config import schema
from jsae.config.errors import JsaeError
from jsae.config.layout import PARAMETERS
from jsae.config.schema import CommonAgent
from jsae.config.study import Cell
from jsae.embeddings.base import embed
from jsae.embeddings.learner import Learner
from jsae.environments.gridworld import Gridworld
from jsae.environments.gymnasium_api import GRIDWORLD
from jsae.experience.environment import Environment
from jsae.experience.samples import random_transitions
from jsae.nn.randomness import Streams
from jsae.standalone import own
from jsae.standalone.curves import curves
from jsae.standalone.plugged import Plugged, embedding_of
from jsae.training.columns import CURVES
from jsae.training.pretraining import pretrain
from jsae.training.trainer import Continual, Settings, Trainer
from tests.made_worlds import slot_machine

SEEDS = (3, 8)
SLOTS = "jsae/SlotMachine-v0"


def built_in(world: Environment, agent: str, embedding: str, epochs: int, num_envs: int, samples: int) -> pl.DataFrame:
    """The curves of a built-in environment, trained by what the study's jobs call."""
    made = embed(embedding, world, SEEDS, 8, 2)
    if made.parameters:
        learning = dict(own.LEARNING)
        rates = {name: learning.pop(name) for name in ("learning_rate", "weight_decay")}
        learner = Learner(made, Streams(SEEDS, "pre-training"), **rates)
        pretrain(made, random_transitions(world, SEEDS, samples), learner, epochs=2, **learning)
    values = own.AGENTS[agent] | {"discount": 0.99}
    settings = Settings(
        num_envs=num_envs,
        hidden_sizes=(64, 64),
        initial_standard_deviations=(0.6,) * len(SEEDS),
        actor_learning_rates=(0.001,) * len(SEEDS),
        critic_learning_rates=(0.001,) * len(SEEDS),
        agent_parameters=values,
        reward_scale=1.0,
        continual=Continual(epochs=1, batch_size=250, learning_rate=0.01, weight_decay=0.0001),
    )
    trainer = Trainer(world, made, agent, SEEDS, settings)
    for _ in range(epochs):
        trainer.run_epoch()
    return curves(Cell("built in", agent, embedding), SEEDS, trainer.history(), num_envs * world.episode_length)


@pytest.mark.filterwarnings("ignore:.* of 4,096 actions never occur")
@pytest.mark.parametrize(("agent", "embedding"), [("vpg", "none"), ("vpg", "jsae"), ("ppo", "ra"), ("sac", "jsae")])
def test_the_slot_machine_through_gymnasium_gives_the_bits_of_the_built_in_one(agent: str, embedding: str) -> None:
    """Samples in several rounds, pre-training, training and continual updates included."""
    mine = jsae.train(
        SLOTS, agent, embedding, seeds=SEEDS, epochs=8, steps_per_epoch=200, samples=4110, pretraining_epochs=2,
        continual=True,
    )  # fmt: skip
    expected = built_in(slot_machine(), agent, embedding, 8, 10, 4110)
    assert mine["environment"].unique().to_list() == [SLOTS]
    assert mine.drop("environment").equals(expected.drop("environment"), null_equal=True)
    assert mine.schema == CURVES.schema
    assert mine["embedding_loss"].is_nan().all() == (embedding == "none")


def test_an_environment_that_terminates_gives_the_bits_of_the_built_in_one() -> None:
    """In the gridworld with a large goal; episodes that end early are followed by others."""
    large = {"goal": (0.1, 0.05, 0.5, 0.35), "start": (0.6, 0.3), "discrete": True, "actuators": 4}

    def make() -> gymnasium.Env[Any, Any]:
        return gymnasium.make("jsae/Gridworld-v0", **large)

    mine = jsae.train(
        make, "vpg", "jsae", seeds=SEEDS, epochs=3, steps_per_epoch=600, samples=700, pretraining_epochs=2,
        continual=True,
    )  # fmt: skip
    expected = built_in(Gridworld(**GRIDWORLD | large), "vpg", "jsae", 3, 4, 700)
    assert mine.drop("environment").equals(expected.drop("environment"), null_equal=True)
    assert (mine.group_by("seed").agg(pl.col("episodes").max())["episodes"] > 2 * 4).all()  # most ended early


class Counter(gymnasium.Env[Any, Any]):
    """Pays 1 a step; an episode ends after `end` steps, by termination or truncation; refuses what is no action."""

    def __init__(
        self,
        end: int = 10**9,
        truncates: bool = False,
        observation_space: spaces.Space[Any] = spaces.Box(0.0, 1.0, (2,)),  # noqa: B008
        action_space: spaces.Space[Any] = spaces.Discrete(3),  # noqa: B008
    ) -> None:
        self.end, self.truncates, self.steps = end, truncates, 0
        self.observation_space, self.action_space = copy.deepcopy(observation_space), action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space
        self.steps += 1
        assert self.steps <= self.end, "it was not reset"
        over = self.steps == self.end
        return self.observation_space.sample(), 1.0, over and not self.truncates, over and self.truncates, {}


def quick(make: Any, *arguments: Any, **more: Any) -> pl.DataFrame:
    """A short training."""
    given = {"seeds": [0], "epochs": 2, "episode_length": 6, "steps_per_epoch": 12, "samples": 40,
             "pretraining_epochs": 1, "progress": False} | more  # fmt: skip
    return jsae.train(make, *arguments, **given)


@pytest.mark.parametrize("agent", ["vpg", "sac"])
@pytest.mark.parametrize("embedding", ["none", "jsae", "state_only"])
@pytest.mark.parametrize(
    "action_space",
    [
        spaces.Discrete(3, start=5),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(3),
        spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([4.0, 0.5], np.float32)),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "observation_space",
    [
        spaces.Discrete(4, start=-1),
        spaces.MultiDiscrete([3, 2], start=[1, 0]),
        spaces.MultiDiscrete([300, 200]),
        spaces.Box(0.0, 1.0, (2, 2)),
    ],
    ids=str,
)
def test_every_space_can_be_trained_on(
    observation_space: spaces.Space[Any], action_space: spaces.Space[Any], embedding: str, agent: str
) -> None:
    """Counter refuses an action that is not one of its space."""
    table = quick(
        lambda: Counter(3, observation_space=observation_space, action_space=action_space),
        agent,
        embedding,
        continual=True,
    )
    assert table["epoch_return"].to_list() == [3.0, 3.0]
    assert table["episodes"].to_list() == [4, 4]  # two copies, six steps


def experience_of(truncates: bool, agent: str = "vpg", end: int = 4, length: int = 6) -> tuple[Any, Any, Any]:
    """An epoch on Counter: the trainer, the trajectories and what the agent would learn from."""
    worlds = own.Vectorised(lambda: Counter(end, truncates), [0, 1], 2, length)
    values = own.agent_parameters(agent, {"discount": 0.9})
    common = {name: (values.pop(name),) * 2 for name in list(own.COMMON) if name != "discount"}
    settings = Settings(
        num_envs=2,
        hidden_sizes=(4,),
        initial_standard_deviations=common["initial_standard_deviation"],
        actor_learning_rates=common["actor_learning_rate"],
        critic_learning_rates=common["critic_learning_rate"],
        agent_parameters=values,
        reward_scale=0.5,
        continual=None,
    )
    trainer = own.OwnTrainer(worlds, embed("none", worlds, [0, 1], 2, 2), agent, [0, 1], settings)
    streams = Streams([0, 1], "test")
    trajectories = own.collect(worlds, trainer._act, trainer.agent.draw(streams, length, 2), streams)
    return trainer, trajectories, trainer._experience(trajectories)


def test_what_truncates_itself_is_worth_its_last_state() -> None:
    """After four of six steps: γ V(s') joins the reward, scaled; the cut after six is the agent's own affair."""
    trainer, trajectories, experience = experience_of(truncates=True)
    ends = torch.tensor([False, False, False, True, False, False])[None, :, None].expand(2, 6, 2)
    assert torch.equal(trajectories.terminated, ends)
    with torch.no_grad():
        value = trainer.agent.critic(trajectories.next_state[:, 3])[..., 0]
    assert value.abs().min() > 0
    expected = torch.full((2, 6, 2), 0.5)
    expected[:, 3] += 0.9 * value
    torch.testing.assert_close(experience.reward, expected)
    assert torch.equal(trajectories.reward, torch.ones(2, 6, 2))  # returns are reported without it


def test_what_terminates_is_worth_nothing_more() -> None:
    _, trajectories, experience = experience_of(truncates=False)
    assert trajectories.terminated[:, 3].all()
    assert torch.equal(experience.reward, torch.full((2, 6, 2), 0.5))


def test_a_truncation_with_the_cut_is_the_cut() -> None:
    """An environment's own time limit, where it is episode_length: the agent sees no end, and goes on from V(s_T)."""
    _, trajectories, experience = experience_of(truncates=True, end=6)
    assert not trajectories.terminated.any()
    assert torch.equal(experience.reward, torch.full((2, 6, 2), 0.5))


def test_the_soft_actor_critic_needs_to_know_the_truncation() -> None:
    with pytest.raises(JsaeError, match="after 4 steps, before episode_length = 6: give episode_length=4"):
        experience_of(truncates=True, agent="sac")


def test_a_run_depends_on_its_seed_only() -> None:
    make = lambda: Counter(4)  # noqa: E731
    together = quick(make, "vpg", "jsae", seeds=[5, 6], epochs=3)
    alone = quick(make, "vpg", "jsae", seeds=[6], epochs=3)
    assert together.filter(pl.col("seed") == 6).equals(alone, null_equal=True)
    assert not together["policy_loss"][:3].equals(together["policy_loss"][3:])


def test_the_time_limit_is_the_environments_own() -> None:
    table = jsae.train("CartPole-v1", seeds=[0], epochs=1, progress=False)
    assert table["env_steps"].to_list() == [1500]  # three copies of 500 steps
    made = gymnasium.wrappers.TimeLimit(Counter(), 7)
    assert own.time_limit(made) == 7
    assert own.time_limit(Counter()) is None
    from_object = jsae.train(gymnasium.make("CartPole-v1"), seeds=[0], epochs=1, progress=False)
    assert from_object.equals(table, null_equal=True)


class Fitted:
    """An embedding by its public methods only: state i of Counter's is the point (i / 10, 1), action a the point a."""

    kind, state_size, action_size = "mine", 2, 1
    embeds_states = embeds_actions = True
    observation_space, action_space = spaces.Discrete(4, start=-1), spaces.Discrete(3, start=5)

    def represent(self, observation: ArrayLike) -> Any:
        given = np.asarray(observation)
        assert ((given >= -1) & (given < 3)).all()
        return np.stack([given / 10, np.ones_like(given)], -1)

    def to_action(self, point: ArrayLike) -> Any:
        return 5 + np.asarray(point)[:, 0].round().clip(0, 2).astype(np.int64)


def test_an_embedding_that_was_learnt_before() -> None:
    def make() -> Counter:
        return Counter(3, observation_space=Fitted.observation_space, action_space=Fitted.action_space)

    table = quick(make, "vpg", Fitted(), seeds=[0, 1])
    assert table["embedding"].unique().to_list() == ["mine"]
    worlds = own.Vectorised(make, [0, 1], 2, 6)
    plugged = embedding_of(Fitted(), worlds, [0, 1], 9, 9)
    ids = torch.tensor([[[0], [3]], [[1], [2]]])
    tenths = torch.tensor([[[-0.1, 1.0], [0.2, 1.0]], [[0.0, 1.0], [0.1, 1.0]]])
    torch.testing.assert_close(plugged.represent(ids), tenths)
    assert plugged.to_action(torch.tensor([[[0.2], [1.9]], [[-7.0], [7.0]]])).tolist() == [[0, 2], [0, 2]]
    assert (plugged.input_size, plugged.discrete_inputs, plugged.latent_size) == (2, False, 1)
    with pytest.raises(
        JsaeError, match=r"the environment has observation_space = Box.*learnt for Discrete\(4, start=-1\)"
    ):
        quick(Counter, "vpg", Fitted())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"agent": "vgp"}, "agent: there is no 'vgp' .did you mean vpg"),
        ({"embedding": "jase"}, "embedding: there is no 'jase' .did you mean jsae"),
        ({"embedding": "jsae_transfer"}, "embedding = 'jsae_transfer' cannot be learnt from"),
        ({"embedding": 3}, "embedding = 3: give None, a name"),
        ({"train_pi_iter": 3}, "train, argument: there is no 'train_pi_iter' .did you mean train_pi_iters"),
        ({"train_pi_iters": 0}, "vpg: train_pi_iters = 0"),
        ({"critic_learning_rate": -1.0}, "vpg: critic_learning_rate = -1.0"),
        ({"seeds": [1, 1]}, "seeds = .1, 1.: give at least one number"),
        ({"seeds": "ab"}, "seeds = 'a': give a whole number of 0 to"),
        ({"seeds": [1.7]}, "seeds = 1.7: give a whole number of 0 to"),
        ({"seeds": [True]}, "seeds = True: give a whole number of 0 to"),
        ({"seeds": [2**64]}, "seeds = 18446744073709551616: give a whole number of 0 to 9.22337e.18"),
        ({"seeds": 3}, "seeds = 3: give several whole numbers, as range.5."),
        ({"epochs": 0}, "epochs = 0: give a whole number at least 1"),
        ({"epochs": 1.5}, "epochs = 1.5: give a whole number"),
        ({"epochs": float("nan")}, "epochs = nan: give a whole number"),
        ({"samples": 40.5}, "samples = 40.5: give a whole number"),
        ({"pretraining_epochs": 1.5}, "pretraining_epochs = 1.5: give a whole number"),
        ({"episode_length": 6.5, "steps_per_epoch": 13}, "episode_length = 6.5: give a whole number"),
        ({"steps_per_epoch": 12.0}, "steps_per_epoch = 12.0: give a whole number"),
        ({"state_size": 0}, "state_size = 0: give a whole number of 1 to 4096"),
        ({"action_size": 0}, "action_size = 0: give a whole number of 1 to 4096"),
        ({"hidden_sizes": 64}, "hidden_sizes = 64: give several whole numbers, as .64, 64."),
        ({"hidden_sizes": [64, 0]}, "hidden_sizes = 0: give a whole number of 1 to 65536"),
        ({"reward_scale": 0}, "reward_scale = 0: give a number of 1e-12 to 1e.12"),
        ({"reward_scale": float("inf")}, "reward_scale = inf: give a number"),
        ({"agent": 3}, "agent: there is no 3 .there are"),
        ({"steps_per_epoch": 20}, "steps_per_epoch = 20: give a multiple of episode_length .6., as 18"),
        ({"episode_length": None}, "episode_length: the environment has no time limit"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be_used(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(JsaeError, match=message):
        quick(Counter, **arguments)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("CartPol-v1", "environment = 'CartPol-v1'.*CartPole"),
        (Counter(), "give a function that makes it"),
        (lambda: 3, "the function gives 3, not a gymnasium.Env"),
        (3, "environment = 3: give an id"),
        ("no_such_module:X-v0", "environment = 'no_such_module:X-v0': .*No module named 'no_such_module'"),
        ("jsae/Needy-v0", "environment = 'jsae/Needy-v0': .*pip install it"),
        (lambda: Counter(action_space=spaces.Text(3)), "action space"),
    ],
    ids=[
        "misspelt",
        "made",
        "function of no environment",
        "number",
        "module",
        "dependency",
        "function of unfit spaces",
    ],
)
def test_environments_that_cannot_be_used(environment: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def needy() -> None:
        raise gymnasium.error.DependencyNotInstalled("physics is missing: pip install it")

    monkeypatch.setitem(gymnasium.registry, "jsae/Needy-v0", EnvSpec("jsae/Needy-v0", needy))
    with pytest.raises(JsaeError, match=message):
        quick(environment)


def test_an_id_may_name_the_module_that_registers_it() -> None:
    module = "jsae.environments.gymnasium_api"
    table = quick(f"{module}:{SLOTS}", episode_length=None, steps_per_epoch=None)
    assert table["environment"].unique().to_list() == [f"{module}:{SLOTS}"]


def test_ra_needs_discrete_actions() -> None:
    with pytest.raises(JsaeError, match="'ra' needs discrete actions and the action space is Box"):
        quick(lambda: Counter(action_space=spaces.Box(-1.0, 1.0, (2,))), "vpg", "ra")


def test_too_few_samples_are_refused_and_unseen_actions_warned_of() -> None:
    def make() -> Counter:
        return Counter(action_space=spaces.MultiBinary(6))

    with pytest.raises(JsaeError, match="samples: 40 transitions are fewer than the 64 actions"):
        quick(make, "vpg", "jsae")
    with pytest.warns(UserWarning, match="of 64 actions never occur"):
        quick(make, "vpg", "jsae", samples=66)


class Drift(Counter):
    """Observations [position, 1000 + position], which the action moves by -1, 0 or 1; MultiDiscrete in another form."""

    def __init__(self, parts: bool) -> None:
        seen: spaces.Space[Any] = spaces.MultiDiscrete([9, 3]) if parts else spaces.Box(0.0, 2000.0, (2,))
        super().__init__(observation_space=seen)
        self.parts = parts

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = 4
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = min(max(self.place + int(action) - 1, 0), 8)
        return self._seen(), 1.0, False, False, {}

    def _seen(self) -> Any:
        if self.parts:
            return np.array([self.place, self.place % 3])
        return np.array([self.place, 1000 + self.place], np.float32)


@pytest.mark.parametrize("kind", ["jsae", "ra", "separate"])
@pytest.mark.parametrize("parts", [True, False])
def test_a_name_and_fit_learn_the_same_from_the_same_transitions(parts: bool, kind: str) -> None:
    """A softmax for each component, or standardized vectors: to the bit, and so do the points that agents see."""
    worlds = own.Vectorised(lambda: Drift(parts), SEEDS, 2, 6)
    named = embedding_of(kind, worlds, SEEDS, 4, 2)
    own._pretrain(named, worlds, SEEDS, 2, 200, 3)
    played = own.random_transitions(own.Vectorised(lambda: Drift(parts), SEEDS, 2, 6), SEEDS, 2, 200)
    for run, seed in enumerate(SEEDS):
        state, following = (
            worlds.states.decode(field[run].numpy()) for field in (played.observation, played.next_observation)
        )
        log = (state, worlds.actions.decode(played.action[run].numpy()), following)
        fitted = jsae.fit(
            log, observation_space=worlds.states.space, action_space=worlds.actions.space, kind=kind, state_size=4,
            action_size=2, seed=seed, epochs=3, progress=False,
        )  # fmt: skip
        for name, parameter in fitted.model.parameters.items():
            assert torch.equal(parameter[0], named.parameters[name][run]), name
        plugged = Plugged(fitted, worlds)
        assert torch.equal(plugged.represent(played.observation)[run], named.represent(played.observation)[run])
        points = torch.linspace(-1, 1, 20).view(1, 10, 2).repeat(2, 1, 1)
        assert torch.equal(plugged.to_action(points)[run], named.to_action(points)[run])


def test_training_takes_one_thread_and_the_kernels_of_this_machine(two_threads: None) -> None:
    class Watched(Counter):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            threads.add(torch.get_num_threads())
            return super().step(action)

    threads: set[int] = set()
    quick(Watched)
    assert (threads, torch.get_num_threads()) == ({1}, 2)


def test_numbers_that_are_not_finite_are_refused() -> None:
    class Broken(Counter):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            observation, _, *rest = super().step(action)
            return observation, float("nan") if self.steps == 2 else 1.0, *rest

    with pytest.raises(JsaeError, match="a reward that is not a finite number, in step 1"):
        quick(Broken)


def test_defaults_are_the_studys() -> None:
    parameters = schema.load(PARAMETERS)
    assert parameters.agents.common.model_dump() == own.COMMON
    assert {name: parameters.agent(name) for name in ("vpg", "ppo", "sac")} == own.AGENTS
    limits = {name: [field.annotation, *field.metadata] for name, field in CommonAgent.model_fields.items()}
    assert {name: [hint.__origin__, *hint.__metadata__] for name, hint in own.LIMITS.items()} == limits
    learning = parameters.embedding().model_dump()
    continual = {name: learning.pop(f"continual_{name}") for name in own.CONTINUAL}
    assert (learning, continual) == (own.LEARNING, own.CONTINUAL)


def test_it_needs_none_of_the_studys_packages() -> None:
    """What `pip install jsae` does not bring."""
    absent = ["isal", "matplotlib", "mujoco", "pandas", "PIL", "pyarrow", "rich", "ruamel.yaml", "scipy", "seaborn"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import jsae; "
    code += "jsae.train('CartPole-v1', 'ppo', 'jsae', seeds=[0], epochs=1, samples=600, pretraining_epochs=1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
