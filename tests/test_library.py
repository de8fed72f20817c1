"""The library on environments of one's own: spaces, learning, use, files, errors."""

import copy
import doctest
import inspect
import itertools
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import polars as pl
import pytest
import torch
import yaml
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import jsae
from jsae.embeddings.base import embed
from jsae.environments.gymnasium_api import GRIDWORLD, SLOT_MACHINE
from jsae.experience.environment import build, save_environment
from jsae.experience.samples import random_transitions, save_samples
from jsae.library import compiling, logs
from jsae.library import spaces as reading
from jsae.library.embedding import kinds
from jsae.library.factored import FactoredTransition
from jsae.library.spaces import Actions, States, described, restored
from jsae.library.threads import one_thread
from jsae.nn import compiled, kernels
from jsae.nn.mlp import Linear
from jsae.nn.randomness import Streams
from jsae.training.jobs import PretrainingJob

SMALL: dict[str, Any] = {"epochs": 2, "batch_size": 32, "progress": False}
REELS: dict[str, Any] = {"reels": ((0, 1, 2), (2, 0, 1)), "moves": 3, "fraction": 0.34, "minimum_count": 2}
"""A slot machine of 9 states and 9 actions."""
PRETRAINING: dict[str, Any] = {
    "batch_size": 64, "learning_rate": 0.01, "weight_decay": 1e-4, "validation_share": 0.1, "window": 2500,
    "minimum_improvement": 0.005,
}  # fmt: skip


class Toy(gymnasium.Env[Any, Any]):
    """The next observation is drawn at random; the reward is 1. Episodes of five steps."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        self.observation_space, self.action_space = map(copy.deepcopy, (observation_space, action_space))
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.actions.append(action)
        self.steps += 1
        return self.observation_space.sample(), 1.0, self.steps == 5, False, {}


OBSERVATIONS = {
    "Discrete": spaces.Discrete(5, start=-2),
    "MultiDiscrete": spaces.MultiDiscrete([3, 2, 4]),
    "MultiBinary": spaces.MultiBinary((2, 2)),
    "Box": spaces.Box(-3, 7, (2, 3), np.float32),
    "pixels": spaces.Box(0, 255, (3, 3), np.uint8),
}
ACTIONS = {
    "Discrete": spaces.Discrete(6, start=3),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3], start=[1, -1]),
    "MultiBinary": spaces.MultiBinary(3),
    "Box": spaces.Box(np.float32([-2, 0]), np.float32([2, 10])),
}


def small_slot_machine() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("jsae/SlotMachine-v0", **REELS)


@pytest.fixture(scope="module")
def reels() -> jsae.StateActionEmbedding:
    return jsae.fit(small_slot_machine(), samples=2000, state_size=4, action_size=2, epochs=15, progress=False)


# Spaces


def test_the_example_of_the_module() -> None:
    assert doctest.testmod(reading).failed == 0


def test_combinations_of_components_are_numbered_by_hand() -> None:
    """Two components of 3 and 4 values: (2, 1) is 2 * 4 + 1 = 9. Three bits: 1, 0, 1 is 5."""
    assert Actions.of(spaces.MultiDiscrete([3, 4])).encode(np.array([[2, 1]]), "a").tolist() == [9]
    assert Actions.of(spaces.MultiBinary(3)).encode(np.array([[1, 0, 1]], dtype=np.int8), "a").tolist() == [5]
    assert Actions.of(spaces.Discrete(4, start=10)).encode(np.array([12]), "a").tolist() == [2]


def test_states_of_components_are_k_hot_by_hand() -> None:
    """Components of 2 and 3 values have rows 0, 1 and 2, 3, 4 of the table; Eq. (5) predicts each by its own id."""
    states = States.of(spaces.MultiDiscrete([2, 3]))
    codes = states.encode(np.array([[1, 2], [0, 0]]), "s")
    assert codes.tolist() == [[1, 4], [0, 2]]
    assert states.target(codes).tolist() == [[1, 2], [0, 0]]


def test_boxes_of_actions_are_mapped_to_unit_boxes_and_clipped() -> None:
    actions = Actions.of(ACTIONS["Box"])
    assert actions.encode(np.array([[2.0, 5.0]]), "a").tolist() == [[1.0, 0.0]]
    assert actions.decode(np.array([[-3.0, 0.5]])).tolist() == [[-2.0, 7.5]]


@pytest.mark.parametrize("name", ACTIONS)
def test_actions_come_back_as_they_were(name: str) -> None:
    space = ACTIONS[name]
    space.seed(0)
    batch = np.stack([np.asarray(space.sample()) for _ in range(50)])
    actions = Actions.of(space)
    back = actions.decode(actions.encode(batch, "action"))
    assert back.dtype == batch.dtype
    np.testing.assert_allclose(back, batch, rtol=1e-5, atol=1e-5)
    assert all(space.contains(action) for action in back)


def test_the_first_component_counts_most() -> None:
    actions = Actions.of(spaces.MultiDiscrete([2, 3, 4], start=[0, 5, 0]))
    assert actions.count == 24
    expected = [[a, 5 + b, c] for a, b, c in itertools.product(range(2), range(3), range(4))]
    assert actions.decode(np.arange(24)).tolist() == expected


def test_a_box_that_is_already_one_stays_as_it_is() -> None:
    """So an environment with such actions gets what the policy chose, to the last bit of a float32."""
    action = np.linspace(-1, 1, 1001, dtype=np.float32)[:, None]
    decoded = Actions.of(spaces.Box(-1.0, 1.0, (1,))).decode(action)
    np.testing.assert_allclose(decoded, action, rtol=0, atol=2**-24)


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observations_come_back_as_they_were(name: str) -> None:
    space = OBSERVATIONS[name]
    space.seed(0)
    batch = np.stack([np.asarray(space.sample()) for _ in range(20)])
    states = States.of(space)
    back = states.decode(states.encode(batch, "state"))
    assert back.dtype == batch.dtype
    np.testing.assert_array_equal(back, batch)


@pytest.mark.parametrize("space", [*OBSERVATIONS.values(), *ACTIONS.values(), spaces.Box(-np.inf, 1, ())])
def test_spaces_come_back_from_their_description(space: Any) -> None:
    assert restored(described(space)) == space


def test_standardized_observations_have_mean_0_and_deviation_1_and_constants_stay_finite() -> None:
    rows = np.array([[1.0, 5.0], [3.0, 5.0]], dtype=np.float32)
    states = States.of(spaces.Box(-9, 9, (2,))).standardized(rows)
    assert states.encode(rows, "s").tolist() == [[-1.0, 0.0], [1.0, 0.0]]


# Learning


def test_independent_components_by_hand() -> None:
    """Logits 0, ln 3 | 0, 0, ln 2 are probabilities 1/4, 3/4 | 1/4, 1/4, 1/2."""
    linear = Linear(Streams([0], "test"), 1, 5)
    linear.weight = torch.tensor([[[0.0] * 5, [0.0, math.log(3), 0.0, 0.0, math.log(2)]]], requires_grad=True)
    factored = FactoredTransition(linear, (2, 3))
    target = torch.tensor([[[1, 2], [0, 1]]])[..., None]
    loss = factored.loss(torch.ones(1, 2, 1), target)
    assert loss.item() == pytest.approx(-(math.log(3 / 4 * 1 / 2) + math.log(1 / 4 * 1 / 4)) / 2)


WORLDS = {
    "slot_machine": SLOT_MACHINE | REELS,
    "gridworld": GRIDWORLD | {"actuators": 3, "episode_length": 20},
}


@pytest.mark.parametrize("kind", ["jsae", "ra", "separate"])
@pytest.mark.parametrize("module", WORLDS)
def test_the_result_is_the_studys_for_the_same_transitions_and_seed(module: str, kind: str, tmp_path: Path) -> None:
    world, seed = build(module, WORLDS[module]), 7
    samples = random_transitions(world, [seed], 700)
    save_environment(tmp_path / "world", module, WORLDS[module])
    save_samples(tmp_path / "samples", samples)
    job = PretrainingJob(
        environment=tmp_path / "world", samples=tmp_path / "samples", embedding=kind, state_size=5, action_size=3,
        seeds=(seed,), rows=(0,), epochs=4, source=None, device="cpu", **PRETRAINING,
    )  # fmt: skip
    studied = job.run(lambda count: None)
    ids = world.discrete_observations
    state, following = ((f[0, :, 0] if ids else f[0]).numpy() for f in (samples.observation, samples.next_observation))
    found = jsae.fit(
        {"state": state, "action": samples.action[0].numpy(), "next_state": following},
        observation_space=spaces.Discrete(world.observation_size) if ids else spaces.Box(0, 1, (2,)),
        action_space=spaces.Discrete(world.n_actions or 0),
        state_size=5, action_size=3, seed=seed, kind=kind, epochs=4, standardize=False, progress=False, **PRETRAINING,
    )  # fmt: skip
    assert found.model.parameters.keys() == studied.parameters.keys()
    for name, parameter in found.model.parameters.items():
        assert torch.equal(parameter, studied.parameters[name]), name
    assert found.losses["held_out_loss"].to_list() == studied.held_out_loss[0].double().tolist()
    assert found.losses["training_loss"].to_list() == studied.training_loss[0].double().tolist()
    assert found.held_out_loss == pytest.approx(min(found.losses["held_out_loss"]))


@pytest.mark.parametrize("kind", ["jsae", "ra"])
def test_what_actions_do_is_learnt(kind: str) -> None:
    """The action names the next state, of two components of 2 and 3 values: chance is ln 6, or ln 6 actions."""
    state, action = np.random.default_rng(0).integers(6, size=(2, 800))
    components = [np.column_stack(np.unravel_index(ids, (2, 3))) for ids in (state, action)]
    found = jsae.fit(
        (components[0], action, components[1]), kind=kind, epochs=60, batch_size=50, learning_rate=0.03, action_size=3,
        progress=False,
    )  # fmt: skip
    assert found.chance_loss == pytest.approx(math.log(6))
    assert found.unit == "nats"
    assert found.held_out_loss < 0.4 * found.chance_loss
    assert found.losses.columns == ["epoch", "training_loss", "held_out_loss"]
    assert found.losses["epoch"].to_list() == list(range(1, len(found.losses) + 1))


def test_a_shift_and_a_change_of_units_of_observations_change_nothing() -> None:
    generator = np.random.default_rng(0)
    state, action = generator.normal(size=(300, 3)), generator.integers(2, size=300)
    following = state + action[:, None]
    one = jsae.fit((state, action, following), **SMALL)
    other = jsae.fit((8 * state + 64, action, 8 * following + 64), **SMALL)
    np.testing.assert_allclose(one.represent(state), other.represent(8 * state + 64), atol=1e-4)
    assert other.held_out_loss == pytest.approx(one.held_out_loss, rel=1e-3)


def test_the_seed_fixes_everything() -> None:
    first, again, other = (jsae.fit(small_slot_machine(), samples=100, seed=seed, **SMALL) for seed in (1, 1, 2))
    assert first.action_vectors.tolist() == again.action_vectors.tolist()
    assert first.held_out_loss == again.held_out_loss
    assert first.action_vectors.tolist() != other.action_vectors.tolist()


def test_learning_takes_one_thread_and_gives_the_others_back(two_threads: None) -> None:
    class Watched(Toy):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            threads.add(torch.get_num_threads())
            return super().step(action)

    threads: set[int] = set()
    jsae.fit(Watched(spaces.Discrete(2), spaces.Discrete(2)), samples=50, **SMALL)
    assert threads == {2}  # the environment is the user's
    assert torch.get_num_threads() == 2
    with one_thread():
        assert torch.get_num_threads() == 1


def test_an_environment_keeps_its_own_random_actions_and_stays_open() -> None:
    env, twin = (Toy(spaces.Discrete(3), spaces.Discrete(4)) for _ in range(2))
    env.action_space.seed(5)
    twin.action_space.seed(5)
    jsae.fit(env, samples=50, **SMALL)
    assert [env.action_space.sample() for _ in range(20)] == [twin.action_space.sample() for _ in range(20)]
    assert len(env.actions) == 50


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space")
@pytest.mark.parametrize(
    ("kind", "action"),
    [
        (kind, action)
        for kind in ("jsae", "ra", "separate", "state_only", "action_only")
        for action in ACTIONS
        if (kind, action) != ("ra", "Box")
    ],
)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_every_kind_works_with_every_space_and_comes_back_from_its_file(
    kind: str, observation: str, action: str, tmp_path: Path
) -> None:
    env = Toy(OBSERVATIONS[observation], ACTIONS[action])
    embedding = jsae.fit(env, samples=120, kind=kind, state_size=4, action_size=2, **SMALL)
    assert math.isfinite(embedding.held_out_loss)
    embedding.save(tmp_path / "x.safetensors")
    again = jsae.load(tmp_path / "x.safetensors")
    assert repr(again) == repr(embedding)
    assert again.losses.equals(embedding.losses)
    wrapped, twin = (
        jsae.EmbeddedEnv(env, embedding),
        jsae.EmbeddedEnv(Toy(env.observation_space, env.action_space), again),
    )
    check_env(wrapped, skip_render_check=True)  # Gymnasium's
    wrapped.action_space.seed(0)
    for step in range(10):
        if step % 5 == 0:
            assert wrapped.reset(seed=step)[0].tolist() == (mirrored := twin.reset(seed=step)[0]).tolist()
            assert wrapped.observation_space.contains(mirrored)
        point = wrapped.action_space.sample()
        ours, theirs = wrapped.step(point), twin.step(point)
        assert np.asarray(ours[0]).tolist() == np.asarray(theirs[0]).tolist()
        assert np.asarray(ours[4]["raw_action"]).tolist() == np.asarray(theirs[4]["raw_action"]).tolist()
    assert (wrapped.observation_space == env.observation_space) == (kind in ("ra", "action_only"))
    assert (wrapped.action_space == env.action_space) == (kind == "state_only")


@pytest.mark.parametrize("kind", ["jsae", "ra", "separate", "action_only"])
@pytest.mark.parametrize("action", ["Discrete", "MultiDiscrete", "MultiBinary"])
def test_the_action_at_its_own_embedding_is_itself(kind: str, action: str) -> None:
    embedding = jsae.fit(Toy(spaces.Discrete(4), ACTIONS[action]), samples=200, kind=kind, **SMALL)
    vectors = embedding.action_vectors
    assert embedding.to_action(vectors).tolist() == embedding.all_actions.tolist()
    for one, vector in zip(embedding.all_actions, vectors, strict=True):
        assert embedding.embed_action(one).tolist() == vector.tolist()
        assert ACTIONS[action].contains(embedding.to_action(vector))


def test_states_are_represented_by_tanh_of_rows_of_phi(reels: jsae.StateActionEmbedding) -> None:
    table = reels.model.parameters["phi"].detach()[0].tanh().numpy()
    np.testing.assert_array_equal(reels.state_vectors, table)
    np.testing.assert_array_equal(reels.represent(3), table[3])
    np.testing.assert_array_equal(reels.represent([3, 4]), table[3:5])


def test_a_loss_by_hand_is_that_of_the_model(reels: jsae.StateActionEmbedding) -> None:
    """T by hand: the softmax of W [φ(s), g(a)] + b at the next state."""
    weight = reels.model.parameters["transition"].detach()[0].double().numpy()
    inputs = np.concatenate([reels.represent(2), reels.embed_action(5), [1.0]])
    logits = inputs @ weight
    expected = np.log(np.exp(logits).sum()) - logits[7]
    assert reels.loss([2], [5], [7]) == pytest.approx(expected, rel=1e-5)


# Logs


def test_a_file_is_read_as_its_columns(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    state, following = generator.normal(size=(2, 60, 2))
    action = generator.integers(3, size=60)
    pl.DataFrame({"state": state.tolist(), "action": action, "next_state": following.tolist()}).write_parquet(
        tmp_path / "log.parquet"
    )
    arrays = jsae.fit((state, action, following), **SMALL)
    table = pl.read_parquet(tmp_path / "log.parquet")
    fixed = table.with_columns(pl.col("state", "next_state").cast(pl.Array(pl.Float64, 2)))
    for source in (tmp_path / "log.parquet", str(tmp_path / "log.parquet"), table, fixed, table.to_pandas()):
        assert jsae.fit(source, **SMALL).action_vectors.tolist() == arrays.action_vectors.tolist()


def test_spaces_of_a_log_are_the_smallest_that_hold_it() -> None:
    log = {
        "state": np.array([[0, 3], [1, 0]] * 20),
        "action": np.tile([[0.5, -1.0], [2.0, 1.0]], (20, 1)),
        "next_state": np.array([[0, 4], [1, 0]] * 20),
    }
    found = jsae.fit(log, **SMALL)
    assert found.observation_space == spaces.MultiDiscrete([2, 5])
    assert found.action_space == spaces.Box(np.float32([0.5, -1]), np.float32([2, 1]))
    assert found.chance_loss is not None


@pytest.mark.parametrize(
    ("state", "next_state"), [(np.uint64, np.int64), (np.uint8, np.int8), (np.int64, np.bool_), (np.uint64, np.uint64)]
)
@pytest.mark.parametrize("shape", [(40,), (20, 2)])
def test_integers_are_ids_whatever_their_types(state: Any, next_state: Any, shape: Any) -> None:
    ids = np.arange(40) % 2
    columns = ids.astype(state).reshape(shape), ids[: shape[0]], ids[::-1].astype(next_state).reshape(shape)
    expected = spaces.Discrete(2) if shape == (40,) else spaces.MultiDiscrete([2, 2])
    assert jsae.fit(columns, **SMALL).observation_space == expected


def test_the_largest_number_of_a_narrow_type_is_an_id() -> None:
    """255 in eight bits: its space has 256 values, which eight bits do not hold."""
    pixels = logs.from_arrays([np.array([[0], [255]], np.uint8)] * 3)
    assert logs.observation_space(pixels) == logs.action_space(pixels) == spaces.MultiDiscrete([256])


def test_one_column_of_numbers_with_fractions_is_a_box() -> None:
    found = jsae.fit(log(next_state=np.arange(40) / 2), **SMALL)  # that those before have none is chance
    assert found.observation_space == spaces.Box(-np.inf, np.inf, (), np.float32)
    whole = {"state": np.arange(40.0), "next_state": np.arange(40.0)}
    sizes = jsae.fit(log(**whole), observation_space=spaces.Box(0, 40, ()), **SMALL)
    assert sizes.unit == "squared error"


def log(**changes: Any) -> dict[str, Any]:
    """A log of 40 transitions with 4 states and 2 actions."""
    ids = np.arange(40)
    return {"state": ids % 4, "action": ids % 2, "next_state": (ids + 1) % 4} | changes


def with_nan(shape: tuple[int, ...]) -> np.ndarray:
    values = np.zeros(shape)
    values[17] = np.nan
    return values


ERRORS: list[tuple[Callable[[], Any], dict[str, Any], str]] = [
    (lambda: "No-Such-v0", {}, r"source = 'No-Such-v0': Gymnasium cannot make it"),
    (lambda: 7, {}, r"source is 7; give transitions: arrays or columns named state, action and next_state"),
    (lambda: Path("nowhere.parquet"), {}, r"source: there is no file nowhere\.parquet"),
    (lambda: {"state": [0], "action": [0]}, {}, r"source has no column next_state \(it has state, action\)"),
    (lambda: log(action=np.arange(39) % 2), {}, r"state, action and next_state have 40, 39, 40 rows"),
    (lambda: log(state=np.zeros((40, 2))), {}, r"state is \[40, 2\] and next_state \[40\]; both are observations"),
    (lambda: log(action=["a"] * 40), {}, r"action: holds <U1, not numbers; convert it \(names to ids"),
    (lambda: log(state=[[0], [1, 2]] * 20), {}, r"state: its rows have different lengths"),
    (lambda: log(action=np.arange(40) % 2 - 1), {}, r"action: -1 is negative; number ids from 0, or give action_space"),
    (lambda: log(next_state=np.arange(40) - 1), {}, r"next_state: -1 is negative; .* or give observation_space"),
    (lambda: log(action=np.arange(40) % 2.0), {}, r"action: whole numbers as floats; convert them to integers if"),
    (
        lambda: log(state=np.arange(40.0), next_state=np.arange(40.0)),
        {},
        r"state: whole numbers as floats; convert them to integers if they are ids, or give observation_space=.*Box\(",
    ),
    (lambda: log(next_state=np.arange(40.0)), {}, r"next_state: whole numbers as floats; convert them to integers"),
    (
        lambda: log(state=np.zeros((40, 2), int), next_state=np.ones((40, 2))),
        {},
        r"next_state: whole numbers as floats; .* or give observation_space=gymnasium\.spaces\.Box\(low, high, \(2,\)",
    ),
    (lambda: log(action=np.full(40, 2**64 - 1)), {}, r"action: 18446744073709551615 is too large for an id; at most"),
    (lambda: log(state=np.full(40, 2**40)), {}, r"state: 1099511627776 is too large for an id; at most 1,048,576"),
    (lambda: log(action=with_nan((40,))), {}, r"action, row 17: nan is not finite; drop or fill in such rows"),
    (
        lambda: log(state=with_nan((40, 1)), next_state=np.zeros((40, 1))),
        {},
        r"state, row 17: \[nan\] is not finite; drop or fill in such rows",
    ),
    (lambda: log(), {"action_space": spaces.Discrete(1)}, r"action, row 1: 1 is not in 0 \.\.\. 0; give the space"),
    (lambda: log(), {"observation_space": spaces.Box(0, 1, (3,))}, r"state: a row has shape \[\], and Box.* has \[3\]"),
    (lambda: log(), {"action_space": spaces.Discrete(100)}, r"source: 40 transitions are fewer than the 100 actions"),
    (lambda: "CartPole-v1", {"action_space": spaces.Discrete(2)}, r"action_space is for logs"),
    (lambda: "jsae/SlotMachine-v0", {"samples": 4000}, r"samples: 4,000 transitions are fewer than the 4,096 actions"),
    (lambda: "CartPole-v1", {"samples": 4}, r"samples: 4 transitions leave 0 to hold out"),
    (lambda: "CartPole-v1", {"samples": 0}, r"samples = 0: give a whole number at least 1"),
    (lambda: "CartPole-v1", {"state_size": 2.5}, r"state_size = 2\.5: give a whole number of 1 to 4096"),
    (lambda: "CartPole-v1", {"learning_rate": 7}, r"learning_rate = 7: give a number of 1e-12 to 1"),
    (lambda: "CartPole-v1", {"kind": 3}, r"kind: there is no 3 .there are"),
    (lambda: "no_such_module:X-v0", {}, r"source = 'no_such_module:X-v0': .*No module named 'no_such_module'"),
    (lambda: "a:b:c", {}, r"source = 'a:b:c': Gymnasium cannot make it"),
    (lambda: "CartPole-v1", {"kind": "jsea"}, r"kind: there is no 'jsea' .did you mean jsae"),
    (lambda: "CartPole-v1", {"kind": "none"}, r"kind = 'none' cannot be learnt from transitions alone; use .*jsae"),
    (lambda: "CartPole-v1", {"kind": "jsae_by_price"}, r"kind = 'jsae_by_price' cannot be learnt"),
    (lambda: "CartPole-v1", {"kind": "jsae_transfer"}, r"kind = 'jsae_transfer' cannot be learnt"),
    (
        lambda: Toy(spaces.Discrete(2), ACTIONS["Box"]),
        {"kind": "ra"},
        r"kind = 'ra' needs discrete actions and the action space is Box.*; use kind='jsae'",
    ),
    (
        lambda: Toy(spaces.Dict(a=spaces.Discrete(2)), spaces.Discrete(2)),
        {},
        r"observation space Dict.*FlattenObservation",
    ),
    (lambda: Toy(spaces.Discrete(2), spaces.Text(3)), {}, r"action space Text.*write a gymnasium\.ActionWrapper"),
    (
        lambda: Toy(spaces.Discrete(2), spaces.MultiDiscrete([100] * 4)),
        {},
        r"action space MultiDiscrete.*100,000,000 combinations.*at most 1,048,576",
    ),
    (lambda: Toy(spaces.Discrete(2_000_000), spaces.Discrete(2)), {}, r"observation space .*2,000,000 ids, at most"),
    (lambda: Toy(spaces.Discrete(2), spaces.Box(0, np.inf, (1,))), {}, r"action space Box.*bounds must be finite"),
    (lambda: gymnasium.make_vec("CartPole-v1", num_envs=2), {}, r"source is a vector environment; give its"),
]


@pytest.mark.parametrize(("source", "arguments", "message"), ERRORS, ids=[error[2][:40] for error in ERRORS])
def test_bad_input_gets_one_error_that_says_what_to_do(
    source: Callable[[], Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(jsae.JsaeError, match=message):
        jsae.fit(source(), **(SMALL | arguments))


def test_a_file_that_is_no_parquet_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_text("state,action\n")
    with pytest.raises(jsae.JsaeError, match=r"source: .*log\.parquet is no Parquet file"):
        jsae.fit(tmp_path / "log.parquet")


def test_an_empty_cell_of_a_table_is_an_error() -> None:
    with pytest.raises(jsae.JsaeError, match="action, row 1: is empty; drop or fill in such rows"):
        jsae.fit(pl.DataFrame({"state": [0, 1], "action": [0, None], "next_state": [1, 0]}))


def test_an_action_that_never_occurs_gets_one_warning() -> None:
    with pytest.warns(UserWarning, match=r"2 of 4 actions never occur in the transitions \(2, 3\).*Give more samples"):
        jsae.fit(log(), action_space=spaces.Discrete(4), **SMALL)


def test_a_loss_that_diverges_names_the_learning_rate() -> None:
    huge = log(state=np.full((40, 1), 1e30), next_state=np.full((40, 1), 3e38))
    with pytest.raises(jsae.JsaeError, match=r"learning_rate = 0\.01 is too large, lower it: pre-training: loss is"):
        jsae.fit(huge, standardize=False, **SMALL)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda e: e.represent([[1, 2], [3, 4]]), r"observation: shape \[2, 2\]; give \[\], or \['B'\] for B of them"),
        (lambda e: e.represent(9), r"observation, row 0: 9 is not in 0 \.\.\. 8"),
        (lambda e: e.to_action([0.1, 0.2, 0.3]), r"point: shape \[3\]; give \[2\]"),
        (lambda e: e.to_action([0.1, np.nan]), r"point, row 0: .* is not finite"),
        (lambda e: e.embed_action(-1), r"action, row 0: -1 is not in 0 \.\.\. 8"),
        (lambda e: e.loss([1], [1], [1, 2]), r"state, action, next_state have 1, 1, 2 rows"),
        (lambda e: e.loss(1, [1], [1]), r"state: give a batch, with one axis more in front"),
        (lambda e: e.represent([]), r"observation: has no rows; give at least one"),
        (lambda e: e.to_action(np.zeros((0, 2))), r"point: has no rows"),
        (lambda e: e.embed_action([]), r"action: has no rows"),
        (lambda e: e.loss([], [], []), r"state: has no rows"),
        (lambda e: jsae.ContinualLearning(e).learn([], [], []), r"state: has no rows"),
        (
            lambda e: jsae.EmbeddedEnv(gymnasium.make("CartPole-v1"), e),
            r"the environment has observation_space = Box.*fit it",
        ),
        (
            lambda _: jsae.EmbeddedEnv(gymnasium.make("CartPole-v1"), "toy.safetensors"),  # type: ignore[arg-type]
            r"'toy.safetensors' is no embedding: give what jsae.fit returns, or jsae.load of its file",
        ),
        (
            lambda e: jsae.EmbeddedVectorEnv(gymnasium.make_vec("CartPole-v1", num_envs=2), e),
            r"the environment has observation_space = Box",
        ),
    ],
)
def test_wrong_use_gets_one_error(reels: jsae.StateActionEmbedding, use: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(jsae.JsaeError, match=message):
        use(reels)


def test_the_defaults_are_the_studys() -> None:
    defaults = {name: argument.default for name, argument in inspect.signature(jsae.fit).parameters.items()}
    study = yaml.safe_load((Path(jsae.__file__).parents[1] / "params.yaml").read_text())
    gridworld = study["environments"]["gridworld-discrete"]
    for name in PRETRAINING:
        assert defaults[name] == study["embeddings"][name], name
    assert defaults["samples"] == gridworld["pretraining_samples"]
    assert defaults["epochs"] == gridworld["pretraining_epochs"]["paper"]
    assert defaults["state_size"] == gridworld["state_embedding_size"]
    assert defaults["action_size"] == gridworld["action_embedding_size"]
    learning = {
        name: argument.default for name, argument in inspect.signature(jsae.ContinualLearning).parameters.items()
    }
    assert learning["epochs"] == study["embeddings"]["continual_epochs"]
    assert learning["batch_size"] == study["embeddings"]["continual_batch_size"]


def test_what_a_kind_does_not_embed_is_said() -> None:
    raw_actions = jsae.fit(log(), kind="state_only", **SMALL)
    with pytest.raises(jsae.JsaeError, match="the kind state_only leaves actions raw"):
        raw_actions.to_action([0.0, 0.0])
    with pytest.raises(jsae.JsaeError, match="states are not listed: kind ra"):
        _ = jsae.fit(log(), kind="ra", **SMALL).state_vectors
    with pytest.raises(jsae.JsaeError, match=r"the action space Box.* is continuous"):
        _ = jsae.fit(Toy(spaces.Discrete(2), ACTIONS["Box"]), samples=50, **SMALL).action_vectors


def test_a_box_of_other_bounds_is_another_action_space() -> None:
    embedding = jsae.fit(Toy(spaces.Discrete(2), ACTIONS["Box"]), samples=50, **SMALL)
    wider = Toy(spaces.Discrete(2), spaces.Box(np.float32([-4, 0]), np.float32([4, 10])))
    with pytest.raises(jsae.JsaeError, match=r"has action_space = Box.*give jsae\.fit action_space=env\.action_space"):
        jsae.EmbeddedEnv(wider, embedding)


# Files


def test_a_file_that_is_none_gets_one_error(tmp_path: Path, reels: jsae.StateActionEmbedding) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(jsae.JsaeError, match=r"path: there is no file .*x\.safetensors"):
        jsae.load(path)
    reels.save(path)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(jsae.JsaeError, match=r"path: .*x\.safetensors is damaged, or no file of"):
        jsae.load(path)
    save_samples(path, random_transitions(build("slot_machine", SLOT_MACHINE | REELS), [0], 10))
    with pytest.raises(jsae.JsaeError, match=r"path: .*x\.safetensors holds no embedding"):
        jsae.load(path)


def test_numbers_of_numpy_are_saved_as_those_of_python(tmp_path: Path) -> None:
    for whole in (int, np.int64):
        jsae.fit(log(), state_size=whole(4), action_size=whole(2), seed=whole(3), **SMALL).save(tmp_path / str(whole))
    assert (tmp_path / str(int)).read_bytes() == (tmp_path / str(np.int64)).read_bytes()


def test_the_same_embedding_gives_the_same_bytes(tmp_path: Path, reels: jsae.StateActionEmbedding) -> None:
    reels.save(tmp_path / "a")
    jsae.load(str(tmp_path / "a")).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_embedding_can_be_sent_to_another_process(reels: jsae.StateActionEmbedding) -> None:
    assert pickle.loads(pickle.dumps(reels)).action_vectors.tolist() == reels.action_vectors.tolist()  # noqa: S301


# Wrappers


def test_a_step_in_e_is_a_step_of_the_nearest_action(reels: jsae.StateActionEmbedding) -> None:
    wrapped, plain = jsae.EmbeddedEnv(small_slot_machine(), reels), small_slot_machine()
    x, info = wrapped.reset(seed=3)
    observation, _ = plain.reset(seed=3)
    assert info["raw_next_state"] == observation
    generator = np.random.default_rng(0)
    for _ in range(20):
        assert x.tolist() == reels.represent(observation).tolist()
        point = generator.uniform(-1, 1, 2)
        nearest = int(np.linalg.norm(reels.action_vectors - point, axis=1).argmin())
        before = observation
        x, reward, terminated, truncated, info = wrapped.step(point)
        observation, expected, *_ = plain.step(nearest)
        assert (reward, terminated) == (expected, False)
        assert (info["raw_state"], info["raw_action"], info["raw_next_state"]) == (before, nearest, observation)
    assert truncated


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_vector_environment_is_so_many_single_ones(reels: jsae.StateActionEmbedding, mode: AutoresetMode) -> None:
    made = SyncVectorEnv([small_slot_machine] * 3, autoreset_mode=mode)
    plain = SyncVectorEnv([small_slot_machine] * 3, autoreset_mode=mode)
    wrapped = jsae.EmbeddedVectorEnv(made, reels)
    assert wrapped.observation_space.shape == (3, 4)
    assert wrapped.action_space.shape == (3, 2)
    x, _ = wrapped.reset(seed=0)
    observations, _ = plain.reset(seed=0)
    wrapped.action_space.seed(0)
    finals = 0
    for _ in range(50):
        np.testing.assert_array_equal(x, reels.represent(observations))
        points = wrapped.action_space.sample()
        x, rewards, _, truncated, infos = wrapped.step(points)
        observations, expected, _, over, raw = plain.step(reels.to_action(points))
        np.testing.assert_array_equal(rewards, expected)
        np.testing.assert_array_equal(truncated, over)
        if "final_obs" in raw:
            finals += 1
            for mine, own in zip(infos["final_obs"], raw["final_obs"], strict=True):
                np.testing.assert_array_equal(mine, reels.represent(own))
    assert finals == (2 if mode == AutoresetMode.SAME_STEP else 0)


def test_the_native_vector_environment_can_be_embedded(reels: jsae.StateActionEmbedding) -> None:
    wrapped = jsae.EmbeddedVectorEnv(gymnasium.make_vec("jsae/SlotMachine-v0", num_envs=4, **REELS), reels)
    x, _ = wrapped.reset(seed=0)
    assert x.shape == (4, 4)
    assert wrapped.step(np.zeros((4, 2), dtype=np.float32))[1].shape == (4,)


# Learning on


def test_learning_on_lowers_the_loss_and_moves_f() -> None:
    env = small_slot_machine()
    embedding = jsae.fit(env, samples=200, state_size=4, epochs=1, progress=False)
    generator = np.random.default_rng(0)
    state, action = generator.integers(9, size=(2, 3000))
    world = build("slot_machine", SLOT_MACHINE | REELS)
    following = world.step(torch.from_numpy(state)[None, :, None], torch.from_numpy(action)[None])[0][0, :, 0].numpy()
    before = embedding.loss(state, action, following)
    learning = jsae.ContinualLearning(embedding, epochs=5)
    loss = learning.learn(state, action, following)
    assert loss == learning.losses[-1]
    assert embedding.loss(state, action, following) < loss < before
    assert embedding.to_action(embedding.action_vectors).tolist() == list(range(9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": -0.01}, r"learning_rate = -0\.01: give a number of 1e-12 to 1"),
        ({"learning_rate": math.nan}, r"learning_rate = nan: give a number of 1e-12 to 1"),
        ({"weight_decay": -1.0}, r"weight_decay = -1\.0: give a number of 0 to 1"),
        ({"seed": -1}, r"seed = -1: give a whole number of 0 to 9\.22337e\+18"),
        ({"every": math.nan}, r"every = nan: give a whole number at least 1"),
        ({"epochs": 1.5}, r"epochs = 1\.5: give a whole number at least 1"),
        ({"batch_size": 0}, r"batch_size = 0: give a whole number at least 1"),
    ],
)
def test_learning_on_has_the_limits_of_fit(
    reels: jsae.StateActionEmbedding, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(jsae.JsaeError, match=message):
        jsae.ContinualLearning(reels, **arguments)


def test_a_callback_learns_from_every_so_many_transitions(reels: jsae.StateActionEmbedding) -> None:
    learning = jsae.ContinualLearning(pickle.loads(pickle.dumps(reels)), every=4)  # noqa: S301
    info = {"raw_state": np.int64(1), "raw_action": np.int64(2), "raw_next_state": np.int64(3)}
    assert all(learning({"infos": [info, info]}, {}) for _ in range(5))
    assert len(learning.losses) == 2
    with pytest.raises(jsae.JsaeError, match=r"the agent's environment is no jsae\.EmbeddedEnv"):
        learning({"infos": [{}]}, {})


@pytest.mark.parametrize("agent", ["PPO", "SAC"])
def test_stable_baselines3_trains_in_it(agent: str, reels: jsae.StateActionEmbedding) -> None:
    sb3 = pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed: make peers")
    from stable_baselines3.common.env_checker import check_env as check

    env = jsae.EmbeddedEnv(small_slot_machine(), pickle.loads(pickle.dumps(reels)))  # noqa: S301
    check(env)
    settings = {"n_steps": 64} if agent == "PPO" else {"learning_starts": 100}
    model = getattr(sb3, agent)("MlpPolicy", env, device="cpu", seed=0, **settings)
    learning = jsae.ContinualLearning(env.embedding, every=64)
    model.learn(128, callback=learning if agent == "PPO" else None)
    assert len(learning.losses) == (2 if agent == "PPO" else 0)


# Kernels, names


def test_a_compiler_that_fails_gives_one_warning_and_the_plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(source: Path) -> None:
        if compiled.kind() == "compiled":
            raise jsae.JsaeError("kernels.so was not written: it is on a read-only disk")

    monkeypatch.setattr(compiled, "library", failing)
    monkeypatch.setenv("JSAE_KERNELS", "auto")
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: object())
    with pytest.warns(RuntimeWarning, match="runs without compiled kernels.*read-only disk"):
        compiling.prepare()
    assert not kernels.used(torch.zeros(1))
    compiling.prepare()
    monkeypatch.setenv("JSAE_KERNELS", "compiled")
    with pytest.raises(jsae.JsaeError, match="read-only disk"):
        compiling.prepare()


def test_public_names_are_reached_from_the_package() -> None:
    from jsae import api

    assert all(getattr(jsae, name) is getattr(api, name) for name in api.__all__)
    assert all((getattr(api, name).__doc__ or "").strip() for name in api.__all__)
    assert not hasattr(jsae, "no_such_name")


def test_kinds_are_all_that_transitions_suffice_for() -> None:
    assert set(kinds()) == {"jsae", "ra", "separate", "state_only", "action_only"}
    assert embed("none", build("slot_machine", SLOT_MACHINE), [0], 1, 1).parameters == {}
