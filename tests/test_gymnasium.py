"""Gymnasium: names, spaces, its own checker, vector environments equal single ones, truncation, seeds, errors."""

import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import polars as pl
import pytest
import yaml
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import jsae
from jsae.config.errors import JsaeError
from jsae.environments import gymnasium_api
from jsae.purchases import ngram

GRIDWORLD, SLOT_MACHINE, RECOMMENDER = "jsae/Gridworld-v0", "jsae/SlotMachine-v0", "jsae/Recommender-v0"


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    """The n-gram model of a shop of four items."""
    baskets = [[1, 2, 3, 1, 2, 2, 3], [2, 3, 3, 1], [1, 2, 1], [4, 1, 2, 3, 4]]
    rows = [{"user": user, "item": item, "price": 10.0 * item} for user, items in enumerate(baskets) for item in items]
    path = tmp_path_factory.mktemp("shop") / "model.safetensors"
    ngram.save(ngram.build(pl.DataFrame(rows), n=2, window=0), path)
    return path


VARIANTS = [
    pytest.param(GRIDWORLD, {}, id="gridworld-continuous"),
    pytest.param(GRIDWORLD, {"discrete": True}, id="gridworld-discrete"),
    pytest.param(GRIDWORLD, {"actuators": 9}, id="gridworld-512"),
    pytest.param(GRIDWORLD, {"render_mode": "rgb_array"}, id="gridworld-drawn"),
    pytest.param(SLOT_MACHINE, {}, id="slot-machine"),
    pytest.param(SLOT_MACHINE, {"render_mode": "rgb_array"}, id="slot-machine-drawn"),
    pytest.param(RECOMMENDER, {}, id="recommender"),
    pytest.param(RECOMMENDER, {"bonus": 0.05, "start": "popularity"}, id="recommender-bonus"),
]


@pytest.fixture
def complete(model_path):
    """Adds the argument that a recommender cannot do without."""
    return lambda name, arguments: arguments | ({"model_path": model_path} if name == RECOMMENDER else {})


def test_importing_jsae_registers_without_torch():
    code = (
        "import sys, jsae, gymnasium\n"
        f"assert all(name in gymnasium.registry for name in {[GRIDWORLD, SLOT_MACHINE, RECOMMENDER]})\n"
        "assert 'torch' not in sys.modules, 'import jsae imports torch'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(jsae.__file__).parents[1])


@pytest.mark.parametrize(("name", "arguments"), VARIANTS)
def test_gymnasiums_checker_has_nothing_to_say(name, arguments, complete):
    environment = gymnasium.make(name, **complete(name, arguments))
    check_env(environment.unwrapped)  # a warning is an error in these tests


@pytest.mark.parametrize(("name", "arguments"), VARIANTS)
def test_vector_spaces_hold_what_comes_out(name, arguments, complete):
    environments = gymnasium.make_vec(name, num_envs=3, **complete(name, arguments))
    observations, _ = environments.reset(seed=0)
    environments.action_space.seed(0)
    for _ in range(5):
        assert observations in environments.observation_space
        assert observations.dtype == environments.observation_space.dtype
        observations, rewards, terminated, truncated, _ = environments.step(environments.action_space.sample())
        assert rewards.shape == terminated.shape == truncated.shape == (3,)
    assert environments.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


@pytest.mark.parametrize(
    ("name", "arguments", "space"),
    [
        (GRIDWORLD, {}, gymnasium.spaces.Box(0, 1, (2,), np.float32)),
        (GRIDWORLD, {"discrete": True}, gymnasium.spaces.Discrete(1600)),
        (SLOT_MACHINE, {}, gymnasium.spaces.Discrete(1296)),
        (RECOMMENDER, {}, gymnasium.spaces.MultiDiscrete([4, 4])),
    ],
)
def test_observation_spaces(name, arguments, space, complete):
    assert gymnasium.make(name, **complete(name, arguments)).observation_space == space


def test_defaults_are_those_of_the_study():
    environments = yaml.safe_load((Path(jsae.__file__).parents[1] / "params.yaml").read_text())["environments"]

    def plain(value):
        return [plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value

    for defaults, name in [
        (gymnasium_api.GRIDWORLD, "gridworld-continuous"),
        (gymnasium_api.SLOT_MACHINE, "slot-machine"),
        (gymnasium_api.RECOMMENDER, "recommender"),
    ]:
        dynamics = environments[name]["dynamics"]
        assert {key: plain(value) for key, value in defaults.items()} == {key: dynamics[key] for key in defaults}
    for name, section in [
        (GRIDWORLD, "gridworld-continuous"),
        (SLOT_MACHINE, "slot-machine"),
        (RECOMMENDER, "recommender"),
    ]:
        assert gymnasium.spec(name).max_episode_steps == environments[section]["dynamics"]["episode_length"]


@pytest.mark.parametrize(("name", "arguments"), VARIANTS[:6])
def test_vector_environment_equals_single_ones(name, arguments):
    """The gridworld and the slot machine draw nothing, so every episode must be the same alone and among others."""
    together = gymnasium.make_vec(name, num_envs=3, **arguments)
    alone = [gymnasium.make(name, **arguments) for _ in range(3)]
    generator = np.random.default_rng(0)
    observations, _ = together.reset(seed=0)
    over = np.zeros(3, dtype=bool)
    for lane, environment in enumerate(alone):
        np.testing.assert_array_equal(environment.reset()[0], observations[lane])
    for _ in range(170):
        actions = generator.integers(together.single_action_space.n, size=3)
        outcome = together.step(actions)
        for lane, environment in enumerate(alone):
            expected = (*environment.reset()[:1], 0.0, False, False) if over[lane] else environment.step(actions[lane])
            for found, value in zip(outcome[:4], expected, strict=False):
                np.testing.assert_array_equal(found[lane], value)
        over = outcome[2] | outcome[3]


def test_a_recommender_alone_equals_a_vector_of_one(model_path):
    single = gymnasium.make(RECOMMENDER, model_path=model_path)
    vector = gymnasium.make_vec(RECOMMENDER, num_envs=1, model_path=model_path)
    np.testing.assert_array_equal(single.reset(seed=3)[0], vector.reset(seed=3)[0][0])
    for action in [0, 1, 2, 3, 0, 1]:
        found, expected = vector.step(np.array([action])), single.step(action)
        np.testing.assert_array_equal(found[0][0], expected[0])
        assert found[1][0] == expected[1]


@pytest.mark.parametrize("vector", [False, True])
def test_a_seed_fixes_everything_after_it(model_path, vector):
    def history(seed):
        if vector:
            environment = gymnasium.make_vec(RECOMMENDER, num_envs=4, model_path=model_path)
        else:
            environment = gymnasium.make(RECOMMENDER, model_path=model_path)
        seen = [environment.reset(seed=seed)[0]]
        action = np.array([1, 2, 3, 0]) if vector else np.int64(1)
        seen += [environment.step(action)[0] for _ in range(10)]
        return np.array(seen)

    np.testing.assert_array_equal(history(5), history(5))
    assert not np.array_equal(history(5), history(6))


@pytest.mark.parametrize(("name", "length"), [(GRIDWORLD, 150), (SLOT_MACHINE, 20)])
def test_episodes_are_truncated_not_terminated(name, length):
    environment = gymnasium.make(name)
    environment.reset()
    endings = [environment.step(0)[2:4] for _ in range(length)]
    assert endings == [(False, False)] * (length - 1) + [(False, True)]


def test_vector_episodes_start_anew_after_their_last_step():
    environments = gymnasium.make_vec(SLOT_MACHINE, num_envs=2, max_episode_steps=3)
    start, _ = environments.reset()
    sixes = np.array([4 * 512 + 4 * 64 + 2 * 8 + 7, 0])  # 24 a step in the first lane, then held by action 0
    rewards, endings, places = [], [], []
    for actions in [sixes, sixes * 0, sixes * 0, sixes, sixes]:
        observations, reward, terminated, truncated, _ = environments.step(actions)
        assert not terminated.any()
        rewards.append(reward[0])
        endings.append(truncated[0])
        places.append(observations[0])
    assert rewards == [24, 24, 24, 0, 24]  # the action of the step that starts again is ignored
    assert endings == [False, False, True, False, False]
    assert places[3] == start[0]


def test_reaching_the_goal_terminates():
    environment = gymnasium.make(GRIDWORLD)
    environment.reset()
    total = 0.0
    for action in [64, 480, 1008, 2016]:
        _, reward, terminated, truncated, _ = environment.step(action)
        total += reward
    assert (terminated, truncated) == (True, False)
    assert total == pytest.approx(0.96)


def test_gridworld_picture_has_figure_4s_colours_in_their_places():
    environment = gymnasium.make(GRIDWORLD, render_mode="rgb_array")
    environment.reset()
    picture = environment.render()
    assert picture.shape == (400, 400, 3)

    def colour(x, y):
        return tuple(picture[round((1 - y) * 400), round(x * 400)].tolist())

    red, green, blue = colour(0.15, 0.65)  # goal
    assert blue > 200 > red + green / 2
    red, green, blue = colour(0.30, 0.10)  # agent
    assert red > 200 > green + blue
    assert colour(0.25, 0.3875) == colour(0.5125, 0.6) == (154, 154, 154)  # walls
    assert colour(0.8, 0.8) == (255, 255, 255)


def test_slot_machine_picture_changes_where_reels_pay():
    environment = gymnasium.make(SLOT_MACHINE, render_mode="rgb_array")
    environment.reset()
    before = environment.render()
    environment.step(4 * 512 + 4 * 64 + 2 * 8 + 4)  # 6 6 6 4
    after = environment.render()
    assert before.shape == after.shape == (240, 320, 3)
    corners = [tuple(after[85, 80 * reel + 5].tolist()) for reel in range(4)]
    assert corners[0] == corners[1] == corners[2] != corners[3] == (255, 255, 255)
    assert tuple(before[85, 5].tolist()) == (255, 255, 255)


def test_vector_pictures():
    environments = gymnasium.make_vec(GRIDWORLD, num_envs=2, render_mode="rgb_array")
    environments.reset()
    assert [picture.shape for picture in environments.render()] == [(400, 400, 3)] * 2


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("action", [-1, 4096])
def test_actions_outside_the_space_are_refused(vector, action):
    if vector:
        environment, action = gymnasium.make_vec(SLOT_MACHINE, num_envs=2), np.array([0, action])
    else:
        environment = gymnasium.make(SLOT_MACHINE)
    environment.reset()
    with pytest.raises(gymnasium.error.InvalidAction, match="not in the action space"):
        environment.step(action)


def test_stepping_and_drawing_need_a_reset():
    environment = gymnasium.make_vec(GRIDWORLD, render_mode="rgb_array")
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        environment.step(np.array([0]))
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        environment.render()


def test_bad_arguments_are_refused(tmp_path, model_path):
    with pytest.raises(gymnasium.error.UnsupportedMode, match=r"recommender: render_mode = 'rgb_array'; give None"):
        gymnasium.make_vec(RECOMMENDER, model_path=model_path, render_mode="rgb_array")
    with pytest.raises(JsaeError, match="wall_thickness"):
        gymnasium.make(GRIDWORLD, wall_thickness=0.05)
    with pytest.raises(JsaeError, match=r"missing.safetensors is missing: run the stage that makes it"):
        gymnasium.make(RECOMMENDER, model_path=tmp_path / "missing.safetensors")


@pytest.mark.parametrize(("name", "arguments"), VARIANTS)
def test_agents_of_stable_baselines3_train_on_them(name, arguments, complete):
    """With the extra `peers`: its own checker is content, and its PPO turns ids into one-hot and two-hot vectors."""
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_checker import check_env as peers_check

    environment = gymnasium.make(name, **complete(name, arguments))
    peers_check(environment.unwrapped)
    agent = stable_baselines3.PPO("MlpPolicy", environment, n_steps=20, batch_size=20, n_epochs=1, seed=0)
    first_weights = agent.learn(40).policy.mlp_extractor.policy_net[0].weight
    features = {GRIDWORLD: 1600 if arguments.get("discrete") else 2, SLOT_MACHINE: 1296, RECOMMENDER: 8}
    assert first_weights.shape[1] == features[name]
