"""Continuous actions, ablations and transfer: losses by hand, what learns and what does not."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.config.registry import load, names
from jsae.embeddings import base
from jsae.embeddings.action_map import ActionNetwork, action_map_loss, standardised
from jsae.embeddings.base import embed, is_continual, transfer
from jsae.embeddings.learner import Learner
from jsae.environments.half_cheetah import HalfCheetah
from jsae.experience.environment import Environment
from jsae.experience.samples import random_transitions
from jsae.nn.randomness import Streams
from jsae.training.pretraining import pretrain
from jsae.training.trainer import Continual, Settings, Trainer
from tests import made_shops, probes

SEEDS = [0, 1]
CHEETAH = HalfCheetah(episode_length=8)
CONTINUAL = Continual(epochs=1, batch_size=10, learning_rate=0.01, weight_decay=1e-4)
READINGS = ["jsae_deep", "jsae_standardised", "ra_standardised"]
VARIANTS = ["separate", "state_only", "action_only", "jsae_transfer", "jsae_transfer_tuned", "jsae_transfer_all",
            *READINGS]  # fmt: skip
NEVER: Any = {"window": 10**6, "minimum_improvement": 0.0}
"""Pre-training does not stop by itself."""


def zeroed(name: str, environment: Environment) -> base.Embedding:
    """An embedding whose parameters are all 0, so that x = e = 0 and every linear map gives 0."""
    embedding = embed(name, environment, SEEDS, 3, 2)
    for parameter in embedding.parameters.values():
        parameter.detach().zero_()
    return embedding


def learn(embedding: base.Embedding, environment: Environment, epochs: int = 2) -> None:
    learner = Learner(embedding, Streams(SEEDS, "test"), learning_rate=0.03, weight_decay=0.01)
    data = random_transitions(environment, SEEDS, 80)
    pretrain(embedding, data, learner, epochs=epochs, batch_size=20, validation_share=0.2, **NEVER)


def test_eq_6_by_hand() -> None:
    """(1 − 0)² and (2 − 4)² for one run, 3² and 0 for the other."""
    predicted = torch.tensor([[[1.0, 2.0]], [[3.0, 1.0]]])
    action = torch.tensor([[[0.0, 4.0]], [[0.0, 1.0]]])
    torch.testing.assert_close(action_map_loss(predicted, action), torch.tensor([2.5, 4.5]))


def test_f_stays_in_the_box_and_is_not_squashed_inside_it() -> None:
    f = ActionNetwork(Streams([0], "test"), 2, 1, runs=1)
    f.network.flat.detach().zero_()
    bias = f.network.blocks(f.network.flat.detach())[-1]
    for value, action in ((0.75, 0.75), (3.0, 1.0), (-3.0, -1.0)):
        bias.fill_(value)
        assert f(torch.zeros(1, 1, 2)).item() == action


def test_the_loss_of_f_moves_f_alone() -> None:
    """With it and without it, φ, g and T get the same gradients; f gets one only with it."""
    data = random_transitions(CHEETAH, SEEDS, 30)
    embedding = embed("jsae", CHEETAH, SEEDS, 3, 2)
    embedding.loss(data).sum().backward()
    found = {name: parameter.grad for name, parameter in embedding.parameters.items()}
    for parameter in embedding.parameters.values():
        parameter.grad = None
    x, e = embedding.phi(data.observation), embedding.g(data.action)
    embedding.model_loss(x, e, data).sum().backward()
    for name in ("phi", "g", "transition"):
        assert torch.equal(found[name], embedding.parameters[name].grad)
    assert embedding.parameters["f"].grad is None
    assert found["f"].abs().sum(1).gt(0).all()


def test_loss_for_continuous_actions_by_hand() -> None:
    """Everything 0: T misses the whole next state, f the whole action."""
    data = random_transitions(CHEETAH, SEEDS, 30)
    expected = data.target.square().mean((1, 2)) + data.action.square().mean((1, 2))
    torch.testing.assert_close(zeroed("jsae", CHEETAH).loss(data).detach(), expected)


def test_f_learns_to_undo_g() -> None:
    embedding = embed("jsae", CHEETAH, SEEDS, 20, 6)
    data = random_transitions(CHEETAH, SEEDS, 400)
    learner = Learner(embedding, Streams(SEEDS, "test"), learning_rate=0.01, weight_decay=0.0)
    for _ in range(60):
        learner.one_epoch(data, 50)
    with torch.no_grad():
        error = (embedding.to_action(embedding.embed_action(data.action)) - data.action).square().mean((1, 2))
    assert (error < 0.05).all()  # a guess of 0 has 1/3


def test_separate_loss_by_hand() -> None:
    """Decoders that know nothing: ln 5 nats for one of five states, ln 4 for one of four actions; all of a vector."""
    environment = probes.RewardOfAction()
    loss = zeroed("separate", environment).loss(random_transitions(environment, SEEDS, 50))
    torch.testing.assert_close(loss.detach(), torch.full((2,), math.log(5) + math.log(4)))
    data = random_transitions(CHEETAH, SEEDS, 30)
    expected = data.observation.square().mean((1, 2)) + 2 * data.action.square().mean((1, 2))  # decoder of E, and f
    torch.testing.assert_close(zeroed("separate", CHEETAH).loss(data).detach(), expected)


def test_separate_does_not_see_the_next_state() -> None:
    environment = probes.RewardOfAction()
    embedding = embed("separate", environment, SEEDS, 3, 2)
    data = random_transitions(environment, SEEDS, 50)
    other = data._replace(target=(data.target + 1) % 5, next_observation=(data.next_observation + 1) % 5)
    assert torch.equal(embedding.loss(data), embedding.loss(other))


@pytest.mark.parametrize("name", ["state_only", "action_only"])
@pytest.mark.parametrize("environment", [probes.RewardOfAction(), CHEETAH], ids=["discrete", "continuous"])
def test_variants_of_jsae_learn_the_same_embeddings(name: str, environment: Environment) -> None:
    """They differ in what the policy uses of it only: for a seed, the parameters are equal to the bit."""
    variant, whole = (embed(which, environment, SEEDS, 3, 2) for which in (name, "jsae"))
    data = random_transitions(environment, SEEDS, 40)
    torch.testing.assert_close(variant.loss(data), whole.loss(data), rtol=0, atol=0)
    learn(variant, environment)
    learn(whole, environment)
    assert variant.parameters.keys() == whole.parameters.keys()
    assert all(torch.equal(variant.parameters[key], whole.parameters[key]) for key in whole.parameters)


def test_a_deeper_transition_model_by_hand() -> None:
    """Zero weights give ln 5 nats; then with one run's weights, −E ln softmax(tanh([x, e] V + b) W + c)."""
    environment = probes.RewardOfAction()
    data = random_transitions(environment, SEEDS, 50)
    torch.testing.assert_close(zeroed("jsae_deep", environment).loss(data).detach(), torch.full((2,), math.log(5)))
    embedding = embed("jsae_deep", environment, SEEDS, 3, 2)
    phi, g, hidden, transition = (embedding.parameters[n].detach()[1] for n in ("phi", "g", "hidden", "transition"))
    inputs = torch.cat([phi.tanh()[data.observation[1, :, 0]], g.tanh()[data.action[1]]], 1)
    logits = (inputs @ hidden[:-1] + hidden[-1]).tanh() @ transition[:-1] + transition[-1]
    expected = torch.nn.functional.cross_entropy(logits, data.target[1])
    torch.testing.assert_close(embedding.loss(data)[1], expected)
    assert embedding.chance_loss() == math.log(5)


def test_standardising_by_hand() -> None:
    """Along the first dimension the mean is 2 and the standard deviation 1; along the second all agree."""
    vectors = torch.tensor([[[1.0, 5.0], [3.0, 5.0], [1.0, 5.0], [3.0, 5.0]]])
    expected = torch.tensor([[[-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]])
    torch.testing.assert_close(standardised(vectors), expected)


@pytest.mark.parametrize(("name", "plain"), [("jsae_standardised", "jsae"), ("ra_standardised", "ra")])
def test_standardised_embeddings_learn_the_same_and_are_looked_up_where_the_policy_meets_them(
    name: str, plain: str
) -> None:
    environment = probes.RewardOfAction()
    variant, whole = (embed(which, environment, SEEDS, 3, 2) for which in (name, plain))
    learn(variant, environment)
    learn(whole, environment)
    assert all(torch.equal(variant.parameters[key], whole.parameters[key]) for key in whole.parameters)
    table, raw = variant.action_table(), whole.action_table()
    assert table is not None
    assert raw is not None
    torch.testing.assert_close(table, standardised(raw))
    torch.testing.assert_close(table.mean(1), torch.zeros(2, 2), atol=1e-6, rtol=0)
    actions = torch.tensor([[3, 0, 2, 1]] * 2)
    points = table.detach().gather(1, actions[..., None].expand(-1, -1, 2))
    assert torch.equal(variant.to_action(points), actions)
    variant.parameters["g" if plain == "jsae" else "actions"].detach().mul_(-1)
    variant.refresh()
    assert torch.equal(variant.to_action(-points), actions)


def test_what_the_policy_sees_and_chooses() -> None:
    environment = probes.RewardOfAction()
    observation = torch.tensor([[[0], [3]]] * 2)
    actions = torch.tensor([[2, 1]] * 2)
    state_only, action_only = (embed(name, environment, SEEDS, 3, 2) for name in ("state_only", "action_only"))
    assert (state_only.input_size, state_only.discrete_inputs, state_only.latent_size) == (3, False, 0)
    assert torch.equal(state_only.represent(observation), state_only.phi(observation))
    assert torch.equal(state_only.to_action(actions), actions)
    assert (action_only.input_size, action_only.discrete_inputs, action_only.latent_size) == (5, True, 2)
    assert torch.equal(action_only.represent(observation), observation)
    assert torch.equal(action_only.to_action(action_only.embed_action(actions).detach()), actions)


def test_points_of_jsae_in_order_of_price(tmp_path: Path) -> None:
    """Which point is whose is dealt again: the dearest item has one end of the longest axis, the cheapest the other."""
    shop = made_shops.make(made_shops.SHOP)
    assert shop.prices.tolist() == [10, 20, 5, 40]
    frozen, control = (embed(name, shop, SEEDS, 3, 2) for name in ("jsae", "jsae_by_price"))
    points = torch.tensor([[0.1, 0.2], [0.1, -0.8], [-0.1, 0.9], [0.0, -0.3]])  # the second coordinate varies most
    for embedding in (frozen, control):
        embedding.g.weight.detach().copy_(points.atanh())
        embedding.refresh()
    by_second = points[[1, 3, 0, 2]]  # for the prices 5, 10, 20 and 40, or the other way round
    expected = {tuple(order[[1, 2, 0, 3]].flatten().tolist()) for order in (by_second, by_second.flip(0))}
    for table in control.action_table():
        assert any(table.flatten().tolist() == pytest.approx(order) for order in expected)
    e = torch.rand(2, 50, 2) * 2 - 1
    nearest = torch.cdist(e, control.action_table().detach()).argmin(2)
    assert torch.equal(control.to_action(e), nearest)
    assert control.action_table().sort(1).values.equal(frozen.action_table().sort(1).values)
    learn(frozen, shop)
    learn(control, shop)
    assert all(torch.equal(control.parameters[name], frozen.parameters[name]) for name in frozen.parameters)


def test_where_nothing_has_a_price_there_is_no_order_of_prices() -> None:
    with pytest.raises(JsaeError, match="jsae_by_price is for recommenders"):
        embed("jsae_by_price", probes.RewardOfAction(), SEEDS, 3, 2)


def test_who_goes_on_learning() -> None:
    """(name, what the environment says) → what happens."""
    cases = {("jsae", True): True, ("jsae", False): False, ("ra", True): True, ("state_only", True): True}
    cases |= {("jsae_by_price", True): False, ("jsae_by_price", False): False}
    assert {case: is_continual(*case) for case in cases} == cases


@pytest.mark.parametrize(
    ("name", "kept", "learnt"),
    [("jsae_transfer", ["phi"], ["g", "transition"]), ("jsae_transfer_all", ["phi", "transition"], ["g"])],
)
@pytest.mark.parametrize("environment", [probes.RewardOfAction(), CHEETAH], ids=["discrete", "continuous"])
def test_transfer_keeps_what_it_took_to_the_bit(
    name: str, kept: list[str], learnt: list[str], environment: Environment
) -> None:
    old = embed("jsae", environment, [7, 8], 3, 2)
    source = {key: parameter.detach().clone() for key, parameter in old.parameters.items()}
    new = embed(name, environment, SEEDS, 3, 2)
    transfer(new, source)
    before = {key: parameter.detach().clone() for key, parameter in new.parameters.items()}
    assert all(torch.equal(before[key], source[key]) for key in kept)
    assert not any(torch.equal(before[key], source[key]) for key in learnt)
    learn(new, environment)
    assert all(torch.equal(new.parameters[key], source[key]) for key in kept)
    assert not any(torch.equal(new.parameters[key], before[key]) for key in learnt)


def test_a_tuned_transfer_starts_from_what_it_took_and_moves_on() -> None:
    environment = probes.RewardOfAction()
    old, new = embed("jsae", environment, [7, 8], 3, 2), embed("jsae_transfer_tuned", environment, SEEDS, 3, 2)
    transfer(new, old.parameters)
    assert torch.equal(new.parameters["phi"], old.parameters["phi"])
    learn(new, environment)
    assert not torch.equal(new.parameters["phi"], old.parameters["phi"])


def test_transfer_between_embeddings_of_different_sizes_is_refused() -> None:
    environment = probes.RewardOfAction()
    old, new = embed("jsae", environment, SEEDS, 4, 2), embed("jsae_transfer", environment, SEEDS, 3, 2)
    with pytest.raises(JsaeError, match=r"transfer: phi is \[2, 5, 4\] in the old environment and \[2, 5, 3\]"):
        transfer(new, old.parameters)


def trainer(
    name: str, environment: Environment, hidden_sizes: tuple[int, int] = (8, 8), *, continual: bool = False
) -> Trainer:
    embedding = embed(name, environment, SEEDS, 3, 2)
    learn(embedding, environment)
    settings = Settings(
        num_envs=5,
        hidden_sizes=hidden_sizes,
        initial_standard_deviations=[0.5] * 2,
        actor_learning_rates=[0.003] * 2,
        critic_learning_rates=[0.003] * 2,
        agent_parameters={"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 2, "train_v_iters": 3},
        reward_scale=1.0,
        continual=CONTINUAL if continual else None,
    )
    return Trainer(environment, embedding, "vpg", SEEDS, settings)


@pytest.mark.parametrize(("name", "continual"), [("jsae", True), *((name, False) for name in ("jsae", *VARIANTS))])
@pytest.mark.parametrize("environment", [probes.RewardOfAction(), CHEETAH], ids=["discrete", "continuous"])
def test_every_variant_trains(name: str, continual: bool, environment: Environment) -> None:
    """The policy moves; the embedding moves with it exactly if it is continual, except what was transferred."""
    if name.endswith("_standardised") and environment is CHEETAH:
        pytest.skip("for discrete actions")
    made = trainer(name, environment, continual=continual)
    before = {key: weight.clone() for key, weight in made.weights().items()}
    made.run_epoch()
    made.run_epoch()
    after = made.weights()
    assert not torch.equal(after["actor"], before["actor"])
    moved = {key for key in after if key.startswith("embedding") and not torch.equal(after[key], before[key])}
    assert bool(moved) == continual
    assert made.history()["embedding_loss"].isfinite().all() == continual
    assert made.history()["mean_return"].isfinite().all()


def test_an_agent_starts_from_the_weights_of_another_environment() -> None:
    environment = probes.RewardOfAction()
    old, new = trainer("jsae", environment), trainer("jsae_transfer_all", environment)
    old.run_epoch()
    new.start_from(old.weights())
    assert torch.equal(new.weights()["actor"], old.weights()["actor"])
    assert torch.equal(new.weights()["critic"], old.weights()["critic"])
    new.run_epoch()
    assert not torch.equal(new.weights()["actor"], old.weights()["actor"])


def test_an_agent_of_another_shape_is_refused() -> None:
    environment = probes.RewardOfAction()
    old, new = trainer("jsae", environment, (8, 16)), trainer("jsae_transfer_all", environment)
    with pytest.raises(JsaeError, match="transfer: actor is"):
        new.start_from(old.weights())


@pytest.mark.parametrize("name", ["ra", "ra_standardised", "jsae_standardised"])
def test_what_needs_discrete_actions_says_so(name: str) -> None:
    with pytest.raises(JsaeError, match="for discrete actions only"):
        embed(name, CHEETAH, SEEDS, 3, 2)


def test_every_embedding_says_in_its_own_file_what_belongs_to_it() -> None:
    """A variant inherits nothing of that: two entries of a legend must not look alike."""
    classes = {name: load("embeddings", name) for name in names("embeddings")}
    assert {"none", "ra", "jsae", "jsae_by_price", *VARIANTS} == set(classes)
    for found in classes.values():
        assert {"label", "color", "order", "role", "compared_with", "searched_as"} <= vars(found).keys()
        assert re.fullmatch("#[0-9A-Fa-f]{6}", found.color)
    for attribute in ("label", "color", "order"):
        assert len({getattr(found, attribute) for found in classes.values()}) == len(classes)
    paper = {name for name, found in classes.items() if found.role == "paper"}
    assert paper == {"none", "ra", "jsae"} == {found.searched_as for found in classes.values()}
    assert {found.compared_with for name, found in classes.items() if name in paper} == {""}
    assert {name for name, found in classes.items() if found.role == "reading"} == set(READINGS)
    assert all(found.compared_with in paper for name, found in classes.items() if name not in paper)
    assert {name for name, found in classes.items() if found.transferred} == {
        name for name, found in classes.items() if found.role == "transfer"
    }


def test_an_unknown_embedding_is_one_sentence() -> None:
    with pytest.raises(JsaeError, match=r"there is no jsae/embeddings/nothing.py"):
        embed("nothing", CHEETAH, SEEDS, 3, 2)
