"""Networks and Adam of a batch of runs against torch's own, run by run."""

import pytest
import torch
from torch import Tensor

from jsae.nn.adam import Adam
from jsae.nn.mlp import MLP, Encoder
from jsae.nn.randomness import Streams
from tests.elsewhere import Elsewhere, reaching

P, B = 3, 7


def plain_mlp(mlp: MLP, flat: Tensor, run: int, x: Tensor) -> Tensor:
    """One run's outputs by the textbook formula, in x's precision."""
    w1, b1, w2, b2, w3, b3 = (block[run] for block in mlp.blocks(flat))
    squash = torch.tanh if mlp.activation == "tanh" else torch.relu
    return squash(squash(x @ w1 + b1) @ w2 + b2) @ w3 + b3


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("ids", [0, 1, 2])
def test_outputs_and_gradients_are_those_of_autograd(activation: str, ids: int) -> None:
    mlp = MLP(Streams(range(P), "test"), 11, (8, 6), 4, activation=activation, extra=3, runs=P)
    mlp.flat = mlp.flat.detach().double().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    if ids:
        x = torch.randint(11, (P, B, ids), generator=generator)
        dense = torch.nn.functional.one_hot(x, 11).sum(2).double()
    else:
        x = torch.randn(P, B, 11, generator=generator, dtype=torch.float64, requires_grad=True)
        dense = x.detach().clone().requires_grad_()
    weights = torch.randn(P, B, 4, generator=generator, dtype=torch.float64)
    out = mlp(x)
    (out * weights).sum().backward()

    flat = mlp.flat.detach().clone().requires_grad_()
    expected = torch.stack([plain_mlp(mlp, flat, run, dense[run]) for run in range(P)])
    (expected * weights).sum().backward()
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(mlp.flat.grad, flat.grad)
    if not ids:
        torch.testing.assert_close(x.grad, dense.grad)


@pytest.mark.parametrize("ids", [0, 2])
def test_inputs_beside_the_first_are_differentiated_and_constants_are_not(ids: int) -> None:
    """Q(x, e) with its parameters held constant, as a policy's loss takes it, and with them learning."""
    mlp = MLP(Streams(range(P), "test"), 11, (8, 6), 1, activation="relu", beside=2, runs=P)
    mlp.flat = mlp.flat.detach().double().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    ids_or_vectors = torch.randint(11, (P, B, 2), generator=generator)
    dense = torch.nn.functional.one_hot(ids_or_vectors, 11).sum(2).double()
    x = ids_or_vectors if ids else dense
    e = torch.randn(P, B, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    mlp(x, e).square().sum().backward()
    gradient, e.grad = e.grad, None

    flat, same_e = mlp.flat.detach().clone().requires_grad_(), e.detach().clone().requires_grad_()
    joint = torch.cat([dense, same_e], 2)
    expected = torch.stack([plain_mlp(mlp, flat, run, joint[run]) for run in range(P)])
    expected.square().sum().backward()
    torch.testing.assert_close(mlp.flat.grad, flat.grad)
    torch.testing.assert_close(gradient, same_e.grad)

    mlp.flat.grad = None
    mlp.at(mlp.flat.detach(), x, e).square().sum().backward()
    torch.testing.assert_close(e.grad, same_e.grad)
    assert mlp.flat.grad is None


def test_twins_of_a_member_differ_and_do_not_depend_on_other_members() -> None:
    pair = MLP(Streams([0, 1], "test"), 3, (4, 4), 1, twins=2, runs=2).flat.detach()
    alone = MLP(Streams([1], "test"), 3, (4, 4), 1, twins=2, runs=1).flat.detach()
    assert torch.equal(pair[2:], alone)
    assert not torch.equal(alone[0], alone[1])


def test_initial_parameters_are_uniform_as_in_torch_linear() -> None:
    mlp = MLP(Streams([0], "test"), 400, (100, 50), 10, runs=1)
    for number, block in enumerate(mlp.blocks(mlp.flat.detach())):
        bound = [400, 100, 50][number // 2] ** -0.5
        assert block.abs().max() <= bound
        if block.numel() >= 500:
            assert block.std() == pytest.approx(bound / 3**0.5, rel=0.1)


def test_backward_refuses_parameters_that_moved_since_the_forward_pass() -> None:
    mlp = MLP(Streams([0], "test"), 3, (4, 4), 1, runs=1)
    out = mlp(torch.ones(1, 2, 3))
    with torch.no_grad():
        mlp.flat.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_encoder_embeds_ids_as_sums_of_one_hots() -> None:
    encoder = Encoder(Streams(range(P), "test"), 5, 2)
    ids = torch.randint(5, (P, B, 2), generator=torch.Generator().manual_seed(1))
    dense = torch.nn.functional.one_hot(ids, 5).sum(2).float()
    torch.testing.assert_close(encoder(ids), encoder(dense))
    torch.testing.assert_close(encoder(torch.arange(5).repeat(P, 1)[..., None]), encoder.table())


@pytest.mark.parametrize("device", [torch.device("cpu"), Elsewhere.device])
def test_adam_is_torch_adam_for_each_member(device: torch.device) -> None:
    rates = torch.tensor([1e-3, 1e-2, 3e-3])
    start = torch.randn(P, 6, generator=torch.Generator().manual_seed(2))
    plain = [row.clone().requires_grad_() for row in start]
    optimisers = [torch.optim.Adam([row], lr=float(r), weight_decay=0.1) for row, r in zip(plain, rates, strict=True)]
    for _ in range(20):
        for row, optimiser in zip(plain, optimisers, strict=True):
            optimiser.zero_grad()
            row.pow(4).sum().backward()
            optimiser.step()
    with reaching(device):
        parameter = start.clone().to(device).requires_grad_()
        adam = Adam([parameter], rates, weight_decay=0.1)
        for _ in range(20):
            parameter.pow(4).sum().backward()
            adam.step()
        found = parameter.detach().cpu()
    torch.testing.assert_close(found, torch.stack([row.detach() for row in plain]))


@pytest.mark.parametrize("device", [torch.device("cpu"), Elsewhere.device])
def test_adam_leaves_a_stopped_member_and_its_moments_alone(device: torch.device) -> None:
    with reaching(device):
        parameter = torch.ones(2, 3, device=device, requires_grad=True)
        adam = Adam([parameter], torch.full((2,), 0.1))
        parameter.square().sum().backward()
        adam.step()
        before = {name: tensor.cpu().clone() for name, tensor in adam.tensors().items()}
        stopped = parameter.detach().cpu()[1].clone()
        parameter.square().sum().backward()
        adam.step(torch.tensor([True, False]).to(device))
        moved = parameter.detach().cpu()
        after = {name: tensor.cpu() for name, tensor in adam.tensors().items()}
    assert torch.equal(moved[1], stopped)
    assert not torch.equal(moved[0], stopped)
    for moments in ("first.0", "second.0"):
        assert torch.equal(after[moments][1], before[moments][1])
        assert not torch.equal(after[moments][0], before[moments][0])
    assert after["steps.0"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("ids", [False, True])
def test_a_chosen_output_is_a_column_of_all_outputs(activation: str, ids: bool) -> None:
    """Its value, and the gradients of the parameters, also where two inputs choose the same column."""
    network = MLP(Streams(range(3), "test"), 6, (5, 4), 7, activation=activation, extra=2, runs=3)
    network.flat = network.flat.detach().double().requires_grad_()
    x = torch.randint(6, (3, 20, 2)) if ids else torch.randn(3, 20, 6, dtype=torch.float64)
    column, weights = torch.randint(7, (3, 20)), torch.randn(3, 20, dtype=torch.float64)
    found, expected = network.chosen(x, column), network(x).gather(2, column[..., None])[..., 0]
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad((weights * values).sum(), network.flat)[0] for values in (found, expected)]
    torch.testing.assert_close(*gradients)
