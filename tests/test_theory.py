"""The lemmas against closed forms and hand-made counterexamples; separation against all pairs; the stage."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.io import checkpoint
from jsae.theory import checks, lemmas, mdp, separation
from jsae.theory.lemmas import AVERAGES
from jsae.theory.mdp import Problem
from stages import environment
from stages import theory as stage
from tests import made_parameters
from tests.made_declared import declare_all

SEEDS = st.integers(0, 10_000)


def loops(rewards, d0, discount=0.5, x=None) -> Problem:
    """States that lead to themselves: v^π(s) = Σ_a π(a given s) r(s, a) / (1 − γ). Action 0 owns e < 0, 1 the rest."""
    r = torch.tensor(rewards, dtype=torch.float64)
    states, actions = r.shape
    return Problem(
        P=torch.eye(states, dtype=torch.float64)[:, None].expand(-1, actions, -1),
        r=r,
        d0=torch.tensor(d0, dtype=torch.float64),
        discount=discount,
        x=torch.arange(states, dtype=torch.float64)[:, None] if x is None else torch.tensor(x, dtype=torch.float64),
        edges=torch.tensor([-math.inf, 0.0, math.inf], dtype=torch.float64),
        f=torch.tensor([0, 1]),
    )


def random_problem(seed: int, states: int = 6) -> tuple[Problem, torch.Tensor, torch.Tensor]:
    """A problem, parameters θ of πi, and a policy."""
    draw = np.random.default_rng(seed)
    theta = torch.from_numpy(draw.normal(0, 0.5, (mdp.STATE_EMBEDDING_SIZE + 1, 2)))
    policy = torch.from_numpy(draw.dirichlet(np.ones(4), states))
    return mdp.random_problem(seed, states=states, actions=4, cells=2, discount=0.9), theta, policy


COLLIDING = {"rewards": [[1, 0], [0, 3]], "d0": [0.9, 0.1], "x": [[0.0], [0.0]]}
HALF = torch.tensor([[0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
"""θ of a standard normal πi in every state: half its mass is on either action."""


def test_a_self_loop_is_worth_r_over_1_minus_gamma() -> None:
    problem = loops([[1, 0], [0, 3]], [0.9, 0.1])
    policy = mdp.overall_policy(problem, HALF)
    torch.testing.assert_close(policy, torch.full((2, 2), 0.5, dtype=torch.float64))
    assert (policy * mdp.action_values(problem, policy)).sum(1).tolist() == pytest.approx([1.0, 3.0])
    assert mdp.visits(problem, policy).tolist() == pytest.approx([1.8, 0.2])
    assert lemmas.overall_performance(problem, HALF).item() == pytest.approx(0.9 * 1 + 0.1 * 3)


def test_eq_1_is_the_mass_of_each_action_s_intervals() -> None:
    """Mean 0.5, deviation 2, cut at 0: P(e < 0) = Φ(−1/4)."""
    theta = torch.tensor([[0.0, 0.0], [0.5, math.log(2)]], dtype=torch.float64)
    policy = mdp.overall_policy(loops([[1, 0]], [1.0]), theta)
    below = (1 + math.erf(-0.25 / math.sqrt(2))) / 2
    assert policy[0].tolist() == pytest.approx([below, 1 - below], rel=1e-14)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_the_optimal_policy_beats_every_deterministic_one(seed: int) -> None:
    problem, _, _ = random_problem(seed, states=3)
    best = mdp.optimal_policy(problem)
    v = (best * mdp.action_values(problem, best)).sum(1)
    for choice in itertools.product(range(4), repeat=3):
        policy = torch.nn.functional.one_hot(torch.tensor(choice), 4).double()
        assert ((policy * mdp.action_values(problem, policy)).sum(1) <= v + 1e-9).all()


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_lemma_1_and_theorem_1_hold_where_embeddings_are_distinct(seed: int) -> None:
    problem, theta, policy = random_problem(seed)
    assert lemmas.lemma_1(problem, policy) < 1e-12
    assert lemmas.lemma_1_gaussian(problem, theta) < 1e-12
    assert lemmas.theorem_1(problem) < 1e-10


def test_lemma_1_fails_where_states_with_different_best_actions_share_an_embedding() -> None:
    """v* = (2, 6). Mass w on action 0 misses v* by 1 − w in the first state, by 3 w in the second: 3/4 at w = 1/4."""
    assert lemmas.smallest_error_of_eq_2(loops(**COLLIDING)) == pytest.approx(0.75 / (6 - 2))
    assert lemmas.smallest_error_of_eq_2(loops(COLLIDING["rewards"], COLLIDING["d0"])) == 0
    same_best = loops([[1, 0], [3, 0]], [0.9, 0.1], x=[[0.0], [0.0]])
    assert lemmas.smallest_error_of_eq_2(same_best) == pytest.approx(0, abs=1e-12)


def test_lemma_1_with_the_policy_of_one_state_for_both() -> None:
    """The construction gives both states the last one's policy: in the first, worth 0 + 0.5 × 2 instead of 2."""
    problem = loops(**COLLIDING)
    assert lemmas.lemma_1(problem, mdp.optimal_policy(problem)) == pytest.approx((2 - 1) / 6)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_lemma_2_holds_where_embeddings_are_distinct(seed: int) -> None:
    problem, theta, _ = random_problem(seed)
    errors = {**lemmas.lemma_2(problem, theta, AVERAGES), **lemmas.lemma_2_again(problem, theta)}
    near = {name for name in errors if "finite differences" in name}  # these are not exact themselves
    assert max(error for name, error in errors.items() if name not in near) < 1e-8
    assert max(errors[name] for name in near) < 1e-5


def test_eq_8_where_states_collide_depends_on_how_q_averages() -> None:
    """v = (1, 3): d0 = (0.9, 0.1) gives 1.2, equal weights 2; nothing moves, so that visits weigh like d0."""
    values = {average: lemmas.internal_performance(loops(**COLLIDING), HALF, average).item() for average in AVERAGES}
    assert values == pytest.approx({"start": 1.2, "uniform": 2.0, "visits": 1.2, "markov": 1.2})


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_which_gradients_survive_a_collision(seed: int) -> None:
    problem, theta, _ = random_problem(seed)
    errors = lemmas.lemma_2(mdp.collided(problem, 3), theta, AVERAGES)
    exact = {"∂Ji, Q: start", "∂Ji, Q: markov", "policy gradient in E, Q: visits"}
    assert max(errors[name] for name in exact) < 1e-8
    assert min(errors[name] for name in errors.keys() - exact) > 1e-5


def test_collided_states_share_an_embedding_and_no_others_do() -> None:
    problem, _, _ = random_problem(0)
    x_of = mdp.collided(problem, 2).x_of.tolist()
    assert x_of[0] == x_of[1]
    assert x_of[2] == x_of[3]
    assert len(set(x_of)) == 4


def test_finite_differences_of_a_quartic_are_exact() -> None:
    theta = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    found = lemmas.finite_differences(lambda t: t[0, 0] ** 4 + 3 * t[0, 0] * t[0, 1] ** 2, theta, step=0.1)
    assert found.tolist()[0] == pytest.approx([4 + 12, 12])


def test_all_embeddings_of_pairs_are_tanh_of_sums_in_order() -> None:
    phi = torch.tensor([[0.1], [0.2], [1.0], [2.0]])
    expected = np.tanh(np.float32([1.1, 2.1, 1.2, 2.2]))
    np.testing.assert_allclose(separation.all_embeddings(phi, 2)[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(separation.all_embeddings(phi, 1), np.tanh(phi.numpy()), rtol=1e-6)


def test_float32_saturation_is_a_collision() -> None:
    """tanh 10 and tanh 11 are both 1 in float32: the agent cannot tell these states apart."""
    found = separation.separation(separation.all_embeddings(torch.tensor([[10.0], [11.0], [0.0]]), 1), 1e-6, 10)
    assert (found.equal, found.smallest) == (1, 0.0)


def test_separation_by_hand() -> None:
    """Points 0, 0, 5e-7, 1, 3: nearest others at 0, 0, 5e-7, 1 and 2."""
    found = separation.separation(np.array([[0.0], [0.0], [5e-7], [1.0], [3.0]]), 1e-6, 10)
    assert (found.states, found.equal, found.near, found.crowded) == (5, 1, 3, 3)
    assert (found.smallest, found.typical, found.measured) == (0.0, pytest.approx(5e-7), 5)
    assert found.huddled == pytest.approx(2 / 5)


@pytest.mark.parametrize(
    ("limit", "block"), [(0, 7), (separation.PAIRWISE_LIMIT, 16), (separation.PAIRWISE_LIMIT, separation.NEAREST_BLOCK)]
)
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_separation_is_that_of_all_pairs(limit: int, block: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.integers(0, 4, (40, 3)) + draw.integers(0, 3, (40, 3)) * 0.01
    every = pdist(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separation, "PAIRWISE_LIMIT", limit)
        patch.setattr(separation, "NEAREST_BLOCK", block)
        found = separation.separation(x, 0.05, 40)
    assert found.equal == (every == 0).sum()
    assert found.near == (every < 0.05).sum()
    assert found.smallest == pytest.approx(every.min(), abs=1e-12)


def test_different_points_with_one_projection_stay_apart() -> None:
    """(1, 0) and (0, 1) along a line on which both lie at 1, one of them twice, and a third point."""
    x = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [1.0, 0.0]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separation, "_along", lambda x: x.sum(axis=1))
        points, copies = separation._distinct(x, separation._along(x))
        found = separation.separation(x, 1e-6, 10)
    assert dict(zip(map(tuple, x[points].tolist()), copies.tolist(), strict=True)) == {(1, 0): 2, (0, 1): 1, (3, 0): 1}
    assert (found.equal, found.near, found.crowded) == (1, 1, 2)


def test_a_pair_is_found_among_many_states_though_neither_is_sampled() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (5000, 4))
    x[4321] = x[1234] + 1e-8
    found = separation.separation(x, 1e-6, sample=1)
    assert (found.near, found.crowded, found.measured) == (1, 2, 1)
    assert found.smallest == pytest.approx(2e-8, rel=1e-6)


def test_smallest_singular_value() -> None:
    assert separation.smallest_singular_value(np.array([[3.0, 0, 0], [0, 0.5, 0]])) == pytest.approx(0.5)
    assert separation.smallest_singular_value(np.array([[1.0, 2, 3], [2, 4, 6]])) == pytest.approx(0, abs=1e-12)
    assert separation.smallest_singular_value(np.ones((3, 2))) == 0


def test_facts_tell_what_holds() -> None:
    rows = checks.check_lemmas(problems=2, states=4, actions=3, cells=2, discount=0.9)
    facts = checks.facts(rows, 1e-8)
    assert {name: fact["holds"] for name, fact in facts.items()} == {
        "lemma-1": True,
        "theorem-1": True,
        "lemma-2": True,
        "lemma-1-any-embedding": False,
    }
    assert not checks.facts(rows, 1e-30)["lemma-2"]["holds"]


@pytest.mark.parametrize(
    ("phi", "one_hots", "holds"),
    [
        (torch.tensor([[0.1], [0.2]]), 1, True),
        (torch.tensor([[0.1], [0.1]]), 1, False),
        (torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 0, True),
        (torch.tensor([[1.0], [2.0]]), 0, False),
    ],
)
def test_assumption_3_of_one_embedding(phi: torch.Tensor, one_hots: int, holds: bool) -> None:
    if one_hots:
        rows = checks.check_discrete("somewhere", phi, one_hots, near=1e-6, sample=10, seed=0)
    else:
        rows = checks.check_continuous("somewhere", phi, seed=0)
    fact = checks.facts(rows, 1e-8)["assumption-3"]
    assert (fact["holds"], fact["n"]) == (holds, 1)
    assert checks.facts(rows, 1e-8, missing=1)["assumption-3"]["holds"] is (None if holds else False)


@pytest.mark.parametrize("name", ["theorem_1", "lemma_2"])
def test_a_check_that_gives_no_number_does_not_hold(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    whole, calls = getattr(checks, name), iter([False, True, *[False] * 100])

    def broken(*arguments: object) -> object:
        found = whole(*arguments)
        if not next(calls):
            return found
        return dict.fromkeys(found, math.nan) if isinstance(found, dict) else math.nan

    monkeypatch.setattr(checks, name, broken)
    with pytest.raises(JsaeError, match=r": 1 of \d+ are not finite$"):
        checks.check_lemmas(problems=3, states=4, actions=2, cells=2, discount=0.9)


def test_the_stage_checks_every_embedding_that_is_there_once(tmp_path, monkeypatch) -> None:
    """Both agents of the slot machine may have learnt embeddings further; one of PPO's two runs has."""
    monkeypatch.chdir(tmp_path)
    slots = {"environments": ["slots"], "agents": ["vpg", "ppo"], "embeddings": ["none", "jsae"]}
    grid = {"environments": ["grid"], "agents": ["vpg"], "embeddings": ["jsae"]}
    declared = declare_all(made_parameters.loaded({"cells.main": [slots, grid], "environments.slots.continual": True}))
    for world in ("slots", "grid"):
        environment.main(declared[f"environment@{world}"])
    before = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    after = before.clone()
    after[1, 4] = after[1, 5]
    checkpoint.save(declared["pretrain@slots-jsae-0-1"].outputs["embeddings"], {"phi": before})
    for agent, phi in (("vpg", before), ("ppo", after)):
        checkpoint.save(declared[f"train@slots-{agent}-jsae-0-1"].outputs["weights"], {"embedding.phi": phi})

    stage.main(declared["theory"])
    layout.environment("slots").rename(tmp_path / "elsewhere")
    with pytest.raises(JsaeError, match=r"slots\.safetensors is missing"):
        stage.main(declared["theory"])

    found = json.loads(layout.theory("smoke").read_text())
    equal = {(row["trained"], row["seed"]): row["value"] for row in found["checks"] if row["quantity"] == checks.EQUAL}
    assert equal == {("", 0): 0, ("", 1): 0, ("ppo", 0): 0, ("ppo", 1): 1}
    assert found["facts"]["assumption-3"] == {"holds": False, "measure": checks.EQUAL, "value": 1, "n": 4}
