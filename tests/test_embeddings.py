"""Embeddings: the paper's losses by hand, f as the nearest neighbour, pre-training that stops when it should."""

import math
from typing import Any

import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.embeddings.action_map import NearestNeighbour
from jsae.embeddings.base import embed
from jsae.embeddings.learner import Learner
from jsae.embeddings.ra import action_scores
from jsae.experience.samples import load_samples, random_transitions, save_samples
from jsae.experience.trajectories import Transitions
from jsae.nn.mlp import Linear
from jsae.nn.randomness import Streams
from jsae.training.pretraining import evaluate, levelled_off, pretrain
from tests import probes

SEEDS = [0, 1, 2]
NEVER: Any = {"window": 10**6, "minimum_improvement": 0.0}
"""Pre-training does not stop by itself."""


def learner(embedding, rate: float = 0.03) -> Learner:
    streams = Streams(SEEDS, "test")
    return Learner(embedding, streams, learning_rate=rate, weight_decay=0.0)


def giving(outputs: list[float]) -> Linear:
    """One affine map of one input that gives these outputs wherever."""
    linear = Linear(Streams([0], "test"), 1, len(outputs))
    linear.weight = torch.tensor([[[0.0] * len(outputs), outputs]], requires_grad=True)
    return linear


def test_two_hot_targets_by_hand() -> None:
    """Outputs 0 and 3 are hot. Logits that know it, ln 2 nats each; logits 0 over 4 outputs, ln 4."""
    hot, x = torch.tensor([[[0, 3]]]), torch.ones(1, 1, 1)
    assert giving([20.0, 0.0, 0.0, 20.0]).loss(x, hot).item() == pytest.approx(math.log(2), rel=1e-5)
    assert giving([0.0] * 4).loss(x, hot).item() == pytest.approx(math.log(4))


def test_eq_5_by_hand() -> None:
    """Logits 0, ln 2, ln 3 are probabilities 1/6, 2/6, 3/6; targets 2 and 0: −(ln 3/6 + ln 1/6) / 2."""
    transition = giving([0.0, math.log(2), math.log(3)])
    loss = transition.loss(torch.ones(1, 2, 1), torch.tensor([[[2], [0]]]))
    assert loss.item() == pytest.approx(-(math.log(3 / 6) + math.log(1 / 6)) / 2)


def test_eq_5_of_vectors_is_the_mean_squared_error() -> None:
    loss = giving([1.0, 2.0]).loss(torch.ones(1, 1, 1), torch.tensor([[[0.0, 4.0]]]))
    assert loss.item() == pytest.approx((1 + 4) / 2)


def test_eq_5_before_learning_is_the_entropy_of_a_guess() -> None:
    """φ, g and T start near 0, so that T's guess is close to uniform: about ln 5."""
    environment = probes.RewardOfAction()
    embedding = embed("jsae", environment, SEEDS, 3, 2)
    embedding.parameters["transition"].detach().zero_()
    loss = embedding.loss(random_transitions(environment, SEEDS, 50))
    torch.testing.assert_close(loss.detach(), torch.full((3,), math.log(5)))


def test_ra_scores_are_negative_distances() -> None:
    e = torch.tensor([[[0.0, 0.0]]])
    embeddings = torch.tensor([[[3.0, 4.0], [0.0, 1.0]]])
    torch.testing.assert_close(action_scores(e, embeddings), torch.tensor([[[-5.0, -1.0]]]))


def test_ra_scores_have_a_gradient_where_point_and_embedding_meet() -> None:
    e = torch.zeros(1, 1, 2, requires_grad=True)
    action_scores(e, torch.zeros(1, 3, 2)).sum().backward()
    assert e.grad is not None
    assert torch.isfinite(e.grad).all()


def test_f_is_the_nearest_neighbour() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.rand(2, 50, 3, generator=generator) * 2 - 1
    points = torch.randn(2, 30, 3, generator=generator)
    expected = torch.cdist(points, embeddings).argmin(2)
    assert torch.equal(NearestNeighbour(embeddings)(points), expected)
    assert torch.equal(NearestNeighbour(embeddings)(embeddings), torch.arange(50).repeat(2, 1))


@pytest.mark.parametrize("name", ["ra", "jsae"])
def test_pretraining_learns_what_an_action_does(name: str) -> None:
    """In RewardOfAction the next state names the action: nothing is left to chance."""
    environment = probes.RewardOfAction()
    embedding = embed(name, environment, SEEDS, 3, 2)
    data = random_transitions(environment, SEEDS, 400)
    before = evaluate(embedding, data, 100)
    pretrain(embedding, data, learner(embedding), epochs=40, batch_size=50, validation_share=0.1, **NEVER)
    after = evaluate(embedding, data, 100)
    assert (before > 1.3).all()
    assert (after < 0.7).all()
    chosen = embedding.to_action(embedding.parameters["g" if name == "jsae" else "actions"].detach().tanh())
    assert torch.equal(chosen, torch.arange(4).repeat(3, 1))


def test_pretraining_stops_when_the_held_out_loss_is_flat_and_keeps_the_best() -> None:
    environment = probes.RewardOfState()  # the action does nothing, the state stays: soon learnt
    embedding = embed("jsae", environment, SEEDS, 2, 2)
    data = random_transitions(environment, SEEDS, 300)
    _, held_out_loss = pretrain(
        embedding,
        data,
        learner(embedding, 0.3),
        epochs=500,
        batch_size=100,
        validation_share=0.2,
        window=9,
        minimum_improvement=0,
    )
    assert held_out_loss.shape[1] < 500
    held_out = Transitions(*(field[:, -60:] for field in data))
    torch.testing.assert_close(evaluate(embedding, held_out, 60), held_out_loss.min(1).values)


def test_a_loss_has_levelled_off_by_hand() -> None:
    """From 8 to 7.85 within two epochs is 1.9 %; from 10 to 7.9, 21 %; the third run rises."""
    losses = torch.tensor([[10.0, 8.0, 7.9, 7.85], [9.9, 10.0, 8.0, 7.9], [1.0, 0.9, 1.1, 1.2]])
    assert levelled_off(losses, 2, 0.05).tolist() == [True, False, True]
    assert levelled_off(losses, 2, 0.01).tolist() == [False, False, True]
    assert levelled_off(losses, 3, 0.05).tolist() == [False, False, False]
    assert levelled_off(losses, 4, 0.05).tolist() == [False, False, False]  # too early to tell
    assert levelled_off(torch.ones(1, 3), 2, 0.0).tolist() == [True]


def test_pretraining_that_gains_too_little_stops_earlier_and_keeps_the_best() -> None:
    environment = probes.RewardOfAction()
    data = random_transitions(environment, SEEDS, 400)
    arguments = {"epochs": 60, "batch_size": 50, "validation_share": 0.1, "window": 40}
    whole, short = (embed("jsae", environment, SEEDS, 3, 2) for _ in range(2))
    _, losses = pretrain(whole, data, learner(whole), **arguments, minimum_improvement=0.0)
    _, cut = pretrain(short, data, learner(short), **arguments, minimum_improvement=0.5)
    assert cut.shape[1] < losses.shape[1]
    start = evaluate(embed("jsae", environment, SEEDS, 3, 2), Transitions(*(field[:, -40:] for field in data)), 50)
    every = torch.cat([start[:, None], losses], 1)
    for run in range(len(SEEDS)):
        [stop, *_] = [e for e in range(5, 61) if levelled_off(every[run : run + 1, : e + 1], 5, 0.5)]
        assert torch.equal(cut[run, : stop - 1], losses[run, : stop - 1])
        assert (cut[run, stop - 1 :] == every[run, : stop + 1].min()).all()


def test_a_runs_pretraining_does_not_depend_on_the_others() -> None:
    environment = probes.RewardOfAction()
    together = embed("jsae", environment, SEEDS, 3, 2)
    data = random_transitions(environment, SEEDS, 200)
    pretrain(together, data, learner(together), epochs=5, batch_size=50, validation_share=0.1, **NEVER)
    for run, seed in enumerate(SEEDS):
        alone = embed("jsae", environment, [seed], 3, 2)
        own = random_transitions(environment, [seed], 200)
        assert torch.equal(own.action[0], data.action[run])
        single = Learner(alone, Streams([seed], "test"), learning_rate=0.03, weight_decay=0.0)
        pretrain(alone, own, single, epochs=5, batch_size=50, validation_share=0.1, **NEVER)
        for name, parameter in alone.parameters.items():
            torch.testing.assert_close(parameter[0], together.parameters[name][run])


def test_a_loss_that_is_not_a_number_stops_pretraining() -> None:
    environment = probes.RewardOfAction()
    embedding = embed("jsae", environment, SEEDS, 3, 2)
    data = random_transitions(environment, SEEDS, 100)
    embedding.parameters["phi"].detach()[0, 0, 0] = torch.nan
    with pytest.raises(JsaeError, match="pre-training: loss is"):
        pretrain(embedding, data, learner(embedding), epochs=2, batch_size=50, validation_share=0.1, **NEVER)


def test_samples_survive_their_file(tmp_path) -> None:
    data = random_transitions(probes.RewardOfAction(), SEEDS, 20)
    save_samples(tmp_path / "samples.safetensors", data)
    assert all(torch.equal(a, b) for a, b in zip(load_samples(tmp_path / "samples.safetensors"), data, strict=True))
