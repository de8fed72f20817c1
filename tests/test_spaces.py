"""Gymnasium's spaces as numbers: ids and vectors there and back, and what cannot be encoded."""

import doctest
import itertools
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import jsae.experience.spaces
from jsae.config.errors import JsaeError
from jsae.experience.spaces import actions_of, observations_of

DISCRETE: list[spaces.Space[Any]] = [
    spaces.Discrete(7),
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete([3, 1, 4]),
    spaces.MultiDiscrete([2, 3], start=[10, -1]),
    spaces.MultiDiscrete(np.array([[2, 3], [4, 2]])),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
]


def test_the_example_of_the_module() -> None:
    assert doctest.testmod(jsae.experience.spaces).failed == 0


@pytest.mark.parametrize("space", DISCRETE, ids=str)
def test_ids_number_all_actions_once(space: spaces.Space[Any]) -> None:
    actions = actions_of(space)
    assert actions.n is not None
    assert actions.size == 0
    decoded = actions.decode(np.arange(actions.n))
    assert all(action in space for action in decoded)
    assert len({action.tobytes() for action in decoded}) == actions.n
    np.testing.assert_array_equal(actions.encode(decoded), np.arange(actions.n))
    np.testing.assert_array_equal(actions.decode(1 % actions.n), decoded[1 % actions.n])


def test_the_first_part_is_the_most_significant() -> None:
    space = spaces.MultiDiscrete([2, 3, 4], start=[0, 5, 0])
    expected = [[a, 5 + b, c] for a, b, c in itertools.product(range(2), range(3), range(4))]
    assert actions_of(space).decode(np.arange(24)).tolist() == expected
    assert actions_of(spaces.MultiBinary(3)).decode(4).tolist() == [1, 0, 0]


def test_vectors_fill_the_box() -> None:
    space = spaces.Box(np.array([[-2.0, 0.0]], np.float32), np.array([[4.0, 0.5]], np.float32))
    actions = actions_of(space)
    assert (actions.n, actions.size) == (None, 2)
    corners = np.array([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [-3.0, 9.0]], np.float32)
    decoded = actions.decode(corners)
    assert decoded.tolist() == [[[-2.0, 0.0]], [[4.0, 0.5]], [[1.0, 0.25]], [[-2.0, 0.5]]]
    assert decoded.dtype == np.float32
    assert all(action in space for action in decoded)
    np.testing.assert_array_equal(actions.encode(decoded[:3]), corners[:3])


def test_a_box_that_is_already_one_stays_as_it_is() -> None:
    """So an environment with such actions gets the very bits that the policy chose."""
    action = np.linspace(-1, 1, 1001, dtype=np.float32)[:, None]
    decoded = actions_of(spaces.Box(-1.0, 1.0, (1,))).decode(action)
    np.testing.assert_allclose(decoded, action, rtol=0, atol=2**-24)


@pytest.mark.parametrize(
    ("space", "size", "one_hots", "n_targets", "observation", "encoded", "target"),
    [
        (spaces.Discrete(5, start=3), 5, 1, 5, 4, [1], 1),
        (spaces.MultiDiscrete([2, 3]), 5, 2, 6, [1, 2], [1, 4], 5),
        (spaces.MultiDiscrete([200, 300], start=[1, 0]), 500, 2, 500, [1, 7], [0, 207], {0: 1.0, 207: 1.0}),
        (spaces.Box(-9.0, 9.0, (2,)), 2, 0, 2, [0.5, -4], [0.5, -4.0], [0.5, -4.0]),
        (spaces.Box(0, 255, (1, 2), np.uint8), 2, 0, 2, [[7, 255]], [7.0, 255.0], [7.0, 255.0]),
        (spaces.MultiBinary(3), 6, 3, 8, [1, 0, 1], [1, 2, 5], 5),
    ],
    ids=str,
)
def test_observations(
    space: spaces.Space[Any],
    size: int,
    one_hots: int,
    n_targets: int,
    observation: Any,
    encoded: list[float],
    target: Any,
) -> None:
    known = observations_of(space)
    assert (known.size, known.one_hots, known.n_targets) == (size, one_hots, n_targets)
    found = known.encode(observation)
    assert found.tolist() == encoded
    assert found.dtype == (np.int64 if one_hots else np.float32)
    np.testing.assert_array_equal(known.decode(found), observation)
    predicted = known.target(found)
    if isinstance(target, dict):
        target = [target.get(place, 0.0) for place in range(n_targets)]
    assert predicted.tolist() == target
    assert predicted.dtype == (np.int64 if known.classes else np.float32)
    both = known.encode([observation, observation])  # a batch is encoded row by row
    np.testing.assert_array_equal(both, [encoded, encoded])
    np.testing.assert_array_equal(known.target(both), [predicted, predicted])


def test_every_combination_is_another_class() -> None:
    space = spaces.MultiDiscrete([3, 4, 2])
    known = observations_of(space)
    every = np.array(list(itertools.product(range(3), range(4), range(2))))
    assert sorted(known.target(known.encode(every)).tolist()) == list(range(24)) == list(range(known.n_targets))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Dict({"a": spaces.Discrete(2)}), "FlattenObservation"),
        (spaces.Text(3), "use Box, Discrete"),
    ],
)
def test_observation_spaces_that_cannot_be_encoded(space: spaces.Space[Any], message: str) -> None:
    with pytest.raises(JsaeError, match=message):
        observations_of(space)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(-np.inf, np.inf, (2,)), "needs bounds"),
        (spaces.Box(1.0, 1.0, (2,)), "needs bounds"),
        (spaces.MultiBinary(40), "1,099,511,627,776 actions"),
        (spaces.Text(3), "use Discrete"),
    ],
)
def test_action_spaces_that_cannot_be_numbered(space: spaces.Space[Any], message: str) -> None:
    with pytest.raises(JsaeError, match=message):
        actions_of(space)


def test_values_outside_of_a_space() -> None:
    with pytest.raises(JsaeError, match=r"not in Discrete\(3\): .*3"):
        observations_of(spaces.Discrete(3)).encode([0, 3])
    with pytest.raises(JsaeError, match="shape"):
        observations_of(spaces.Box(0, 1, (3,))).encode([0.0, 1.0])
    with pytest.raises(JsaeError, match=r"0 \.\.\. 2: 0 \.\.\. 3"):
        actions_of(spaces.Discrete(3)).decode([0, 3])
    with pytest.raises(JsaeError, match=r"not in MultiDiscrete.*5"):
        actions_of(spaces.MultiDiscrete([2, 3])).encode([[0, 1], [1, 5]])
    with pytest.raises(JsaeError, match="outside of Box"):
        actions_of(spaces.Box(0.0, 1.0, (1,))).encode([[2.0]])
