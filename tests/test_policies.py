"""Both policies against the distributions of torch."""

import torch
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Independent, Normal

from jsae.agents.policies import Categorical, Gaussian
from jsae.nn.randomness import Streams

P, B = 2, 5


def test_gaussian_log_probability_is_that_of_torch() -> None:
    policy = Gaussian(Streams(range(P), "test"), 3, (4, 4), 2, torch.tensor([0.3, 0.8]))
    x, e = torch.randn(P, B, 3), torch.randn(P, B, 2)
    scale = torch.tensor([0.3, 0.8])[:, None, None].expand(P, B, 2)
    expected = Independent(Normal(policy.network(x), scale), 1).log_prob(e)
    torch.testing.assert_close(policy.log_probability(x, e), expected)


def test_gaussian_samples_have_the_searched_initial_deviation() -> None:
    policy = Gaussian(Streams(range(P), "test"), 3, (4, 4), 2, torch.tensor([0.3, 0.8]))
    streams = Streams(range(P), "noise")
    x = torch.zeros(P, 20_000, 3)
    spread = policy.sample(x, policy.draw(streams, 20_000)).std(1)
    torch.testing.assert_close(spread, torch.tensor([[0.3, 0.3], [0.8, 0.8]]), rtol=0.03, atol=0)


def test_categorical_log_probability_is_that_of_torch() -> None:
    policy = Categorical(Streams(range(P), "test"), 3, (4, 4), 6, runs=P)
    x, action = torch.randn(P, B, 3), torch.randint(6, (P, B))
    expected = TorchCategorical(logits=policy.network(x)).log_prob(action)
    torch.testing.assert_close(policy.log_probability(x, action), expected)


def test_categorical_samples_follow_the_softmax() -> None:
    policy = Categorical(Streams([0], "test"), 3, (4, 4), 4, runs=1)
    with torch.no_grad():
        policy.network.flat.mul_(4)  # far from uniform
    x = torch.ones(1, 40_000, 3)
    actions = policy.sample(x, policy.draw(Streams([0], "noise"), 40_000))
    shares = torch.bincount(actions[0], minlength=4) / 40_000
    expected = torch.softmax(policy.network(x[:, :1]), 2)[0, 0]
    assert expected.max() - expected.min() > 0.1
    torch.testing.assert_close(shares, expected, atol=0.01, rtol=0)


def test_categorical_never_leaves_its_range() -> None:
    policy = Categorical(Streams([0], "test"), 3, (4, 4), 4, runs=1)
    edges = torch.tensor([[0.0, 1.0 - 2**-24]])
    actions = policy.sample(torch.zeros(1, 2, 3), edges)
    assert actions.tolist() == [[0, 3]]
