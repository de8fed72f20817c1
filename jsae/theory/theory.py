"""The paper's theory with numbers: Lemma 1 and Theorem 1 (4.2, A.2), Lemma 2 (4.3.2, A.3) and Assumption 3.

The lemmas are checked on random finite decision processes in which everything is exact up to rounding: values are
linear solves, and E is the real line, cut into intervals of which each action owns several: f⁻¹ is one-to-many.

| symbol | shape | what |
|---|---|---|
| P, r | [S, A, S], [S, A] | transition probabilities and rewards |
| d0 | [S] | start-state distribution |
| x = φ(s) | [S, m] | embeddings; X is the set of the K distinct ones |
| f | [cells] | the action that owns each interval of E |
| πi(e given x) | | a Gaussian whose mean and log standard deviation are linear in x, with weights θ [m + 1, 2] |
| πo(a given s) | [S, A] | the overall policy, Eq. (1) |
| Q | [S, A], [K, A] | values of actions in a state, in an embedded state |

What the numbers show beyond the lemmas:

- **Lemma 1 needs more than Assumptions 1 and 2.** Its proof uses Claim 1, that A is independent of S given X. That is a
  property of policies that act through φ, not of every π. If two states share an embedding and their best actions
  differ, no πi at all satisfies the lemma for π*, and an overall policy with that φ is not optimal. The lemma holds
  where φ is injective (Assumption 3, which the paper only introduces for Lemma 2). Theorem 1 holds as it is written,
  because it may choose φ.
- It also needs f⁻¹(a) to have positive measure for every action that π takes: a density cannot put mass on a point.
  The πi that attains π* is no Gaussian; Gaussians only come close as their deviation shrinks.
- **Lemma 2 depends on how Q(x, e) averages over φ⁻¹(x)** where Assumption 3 fails, which the proof leaves open. With
  the weights of d0, which is what the definition of Q(x, e) as a conditional expectation gives at the first step,
  Ji = Jo for every φ, and Assumption 3 is not needed. So it is with the values of the process on X itself, whose
  transitions are averages over the visits. With other weights Ji is another function with another gradient.
- What an agent follows is not ∂Ji/∂θ but the policy gradient in E, Σ η(x) ∫ ∂πi/∂θ Q(x, e) de, with the visits η of all
  steps. With Q averaged over those visits (which returns of whole episodes estimate) it is ∂Jo/∂θ for every φ. With a Q
  that bootstraps as if x were a Markov state it is not: there, Assumption 3 does its work.
- **Assumption 3 can hold in name only.** States that pre-training never leaves get no gradient of Eq. (5); what is left
  of φ there after weight decay lies within about 1e-5 of 0, and they differ by rounding alone (`Separation.huddled`).
- In Eq. (8) the integral over X is to be read as an expectation: the embeddings of a finite S have measure zero in Rᵐ.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial.distance import cdist
from torch import Tensor

Floats = NDArray[np.float64]

STATE_EMBEDDING_SIZE = 3
"""m of the random problems."""
NODES = 64
"""Gauss-Legendre nodes for each interval of E: quadrature to rounding."""
REACH = 9.0
"""Standard deviations within which a Gaussian is integrated: 2e-19 of its mass lies beyond."""
AVERAGES = ("start", "uniform", "visits", "markov")
"""Readings of Q(x, e) where states share an embedding; see `embedded_values`."""
NEAREST_BLOCK = 1024
"""Points whose distances to all others are at hand at a time."""
PAIRWISE_LIMIT = 4096
"""Up to so many states every pair is measured; beyond it only what is near."""


class Problem(NamedTuple):
    """A decision process with embeddings; float64. `edges` [cells + 1] bound the intervals of E, −∞ and ∞ included."""

    P: Tensor
    r: Tensor
    d0: Tensor
    discount: float
    x: Tensor
    edges: Tensor
    f: Tensor

    @property
    def x_of(self) -> Tensor:
        """The number of each state's embedding among the distinct ones, [S]: equal where φ collides."""
        return torch.unique(self.x, dim=0, return_inverse=True)[1]


def random_problem(seed: int, *, states: int, actions: int, cells: int, discount: float) -> Problem:
    """A problem with injective φ, and `cells` intervals of E for each action."""
    draw = np.random.default_rng(seed)
    edges = np.sort(draw.uniform(-2, 2, actions * cells - 1))
    return Problem(
        P=torch.from_numpy(draw.dirichlet(np.full(states, 0.3), (states, actions))),
        r=torch.from_numpy(draw.uniform(0, 1, (states, actions))),
        d0=torch.from_numpy(draw.dirichlet(np.ones(states))),
        discount=discount,
        x=torch.from_numpy(np.tanh(draw.normal(size=(states, STATE_EMBEDDING_SIZE)))),
        edges=torch.from_numpy(np.concatenate([[-np.inf], edges, [np.inf]])),
        f=torch.from_numpy(draw.permutation(np.repeat(np.arange(actions), cells))),
    )


def collided(problem: Problem, pairs: int) -> Problem:
    """The same problem where states 0 and 1, 2 and 3, ... share an embedding, `pairs` of them."""
    x = problem.x.clone()
    x[1 : 2 * pairs : 2] = x[0 : 2 * pairs : 2]
    return problem._replace(x=x)


# ---- values ----------------------------------------------------------------------------------------------------------


def action_values(problem: Problem, policy: Tensor) -> Tensor:
    """Q^π(s, a) [S, A] of a policy [S, A], by policy evaluation."""
    chain = torch.einsum("sa,sat->st", policy, problem.P)
    identity = torch.eye(len(chain), dtype=torch.float64)
    v = torch.linalg.solve(identity - problem.discount * chain, (policy * problem.r).sum(1))
    return problem.r + problem.discount * problem.P @ v


def visits(problem: Problem, policy: Tensor) -> Tensor:
    """η(s) = Σ_t γᵗ P(S_t = s) [S]."""
    chain = torch.einsum("sa,sat->st", policy, problem.P)
    identity = torch.eye(len(chain), dtype=torch.float64)
    return torch.linalg.solve((identity - problem.discount * chain).T, problem.d0)


def optimal_policy(problem: Problem) -> Tensor:
    """A deterministic π* [S, A], by policy iteration."""
    states, actions = problem.r.shape
    best = torch.zeros(states, dtype=torch.int64)
    while True:
        policy = torch.nn.functional.one_hot(best, actions).double()
        q = action_values(problem, policy)
        better = q.max(1).values > q.gather(1, best[:, None])[:, 0] + 1e-10
        if not better.any():
            return policy
        best = torch.where(better, q.argmax(1), best)


# ---- policies --------------------------------------------------------------------------------------------------------


def gaussian(problem: Problem, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [S] of πi(· given φ(s))."""
    mean, log_deviation = (problem.x @ theta[:-1] + theta[-1]).unbind(1)
    return mean, log_deviation.exp()


def overall_policy(problem: Problem, theta: Tensor) -> Tensor:
    """Eq. (1) [S, A]: the integral of πi over f⁻¹(a), as differences of normal distribution functions."""
    mean, deviation = gaussian(problem, theta)
    below = torch.special.ndtr((problem.edges[1:-1] - mean[:, None]) / deviation[:, None])
    mass = torch.nn.functional.pad(torch.nn.functional.pad(below, (1, 0)), (0, 1), value=1.0).diff(dim=1)
    return torch.zeros_like(problem.r).index_add(1, problem.f, mass)


def nodes(problem: Problem, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Points of E and their quadrature weights, [S, cells, NODES]: each interval, as far as a Gaussian reaches."""
    points, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(NODES))
    low, high = mean - REACH * deviation, mean + REACH * deviation
    ends = torch.minimum(torch.maximum(problem.edges, low[:, None]), high[:, None])  # [S, cells + 1]
    half, middle = ends.diff(dim=1)[..., None] / 2, (ends[:, 1:] + ends[:, :-1])[..., None] / 2
    return middle + half * points, half * weights


def log_density(e: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """ln N(e; mean, deviation²) of points [S, ...] for means and deviations [S]."""
    shape = (-1, *(1,) * (e.dim() - 1))
    mean, deviation = mean.view(shape), deviation.view(shape)
    return -((e - mean) / deviation).square() / 2 - deviation.log() - math.log(2 * math.pi) / 2


def integral(weights: Tensor, density: Tensor, q: Tensor, problem: Problem) -> Tensor:
    """Σ_a ∫_{f⁻¹(a)} πi(e given x) Q(·, a) de [S]: `weights` and `density` at the nodes [S, cells, NODES], q [S, A]."""
    return ((weights * density).sum(2) * q[:, problem.f]).sum(1)


def restricted_density(problem: Problem, policy: Tensor, e: Tensor) -> Tensor:
    """A πi(e given φ(s)) with the overall policy `policy`: the standard normal density, restricted to each f⁻¹(a).

    πi(e given x) = π(f(e) given s) h(e) / H(f(e)), with H(a) the integral of h over f⁻¹(a). It is a function of x
    alone: of states that share an embedding, the last one's π is taken for all. e [S, cells, NODES], of that shape.
    """
    of_x = torch.zeros_like(policy)
    of_x[problem.x_of] = policy
    mass = torch.zeros(policy.shape[1], dtype=torch.float64)
    mass.index_add_(0, problem.f, torch.special.ndtr(problem.edges).diff())
    zero, one = torch.zeros(len(e), dtype=torch.float64), torch.ones(len(e), dtype=torch.float64)
    return log_density(e, zero, one).exp() * (of_x[problem.x_of] / mass)[:, problem.f, None]


# ---- Lemma 1 and Theorem 1 -------------------------------------------------------------------------------------------


def lemma_1(problem: Problem, policy: Tensor) -> float:
    """Largest difference of v^π(s) and Σ_a ∫_{f⁻¹(a)} πi(e given φ(s)) Q^π(s, a) de, over the largest |v^π|.

    For any π [S, A], with the πi of `restricted_density` and the integral by quadrature.
    """
    q = action_values(problem, policy)
    v = (policy * q).sum(1)
    e, weights = _standard_nodes(problem)
    return relative(integral(weights, restricted_density(problem, policy, e), q, problem), v)


def lemma_1_gaussian(problem: Problem, theta: Tensor) -> float:
    """The same for a given Gaussian πi: π is then Eq. (1) by distribution functions, the integral by quadrature."""
    policy = overall_policy(problem, theta)
    q = action_values(problem, policy)
    mean, deviation = gaussian(problem, theta)
    e, weights = nodes(problem, mean, deviation)
    return relative(integral(weights, log_density(e, mean, deviation).exp(), q, problem), (policy * q).sum(1))


def theorem_1(problem: Problem) -> float:
    """Largest difference of v* and v^πo, over the largest |v*|, for the πi that is restricted to f⁻¹ of π*(s)."""
    best = optimal_policy(problem)
    e, weights = _standard_nodes(problem)
    mass = (weights * restricted_density(problem, best, e)).sum(2)
    overall = torch.zeros_like(best).index_add(1, problem.f, mass)
    return relative((overall * action_values(problem, overall)).sum(1), (best * action_values(problem, best)).sum(1))


def smallest_error_of_eq_2(problem: Problem) -> float:
    """The error of Eq. (2) that every πi has: min over πi of max_s v*(s) − Σ_a ∫_{f⁻¹(a)} πi Q*(s, a) de.

    In units of the range of v*. Only the mass w(a) that πi(· given x) puts on f⁻¹(a) counts: a linear programme
    for each x.
    """
    best = optimal_policy(problem)
    q = action_values(problem, best).numpy()
    v = (best.numpy() * q).sum(1)
    actions, worst = q.shape[1], 0.0
    for x in range(int(problem.x_of.max()) + 1):
        here = np.flatnonzero(problem.x_of.numpy() == x)
        if len(here) > 1:
            regret = v[here, None] - q[here]
            found = linprog(
                np.eye(actions + 1)[-1],
                A_ub=np.column_stack([regret, -np.ones(len(here))]),
                b_ub=np.zeros(len(here)),
                A_eq=np.append(np.ones(actions), 0)[None],
                b_eq=[1],
            )
            worst = max(worst, float(np.asarray(found.x)[-1]))
    return worst / float(np.ptp(v))


def _standard_nodes(problem: Problem) -> tuple[Tensor, Tensor]:
    zero = torch.zeros(len(problem.x), dtype=torch.float64)
    return nodes(problem, zero, torch.ones_like(zero))


# ---- Lemma 2 ---------------------------------------------------------------------------------------------------------


def overall_performance(problem: Problem, theta: Tensor) -> Tensor:
    """Jo, Eq. (7)."""
    policy = overall_policy(problem, theta)
    return problem.d0 @ (policy * action_values(problem, policy)).sum(1)


def internal_performance(problem: Problem, theta: Tensor, average: str) -> Tensor:
    """Ji, Eq. (8): Σ_x d0(x) ∫ πi(e given x) Q(x, e) de, with Q as `embedded_values` says."""
    policy = overall_policy(problem, theta)
    q = embedded_values(problem, policy, average)[problem.x_of]
    return problem.d0 @ (policy * q).sum(1)


def embedded_values(problem: Problem, policy: Tensor, average: str) -> Tensor:
    """Q(x, e) = Q(x, f(e)) [K, A] for the embedded states x.

    | average | Q(x, e) |
    |---|---|
    | start | mean of Q(s, f(e)) over φ⁻¹(x) with the weights of d0: the conditional expectation at the first step |
    | uniform | mean with equal weights |
    | visits | mean with the weights of the visits η: what returns of whole episodes estimate |
    | markov | the fixed point of Bellman's equation on X, with those weights: what a bootstrapping critic tends to |

    All four are the same where φ is injective.
    """
    match average:
        case "start":
            weights = problem.d0
        case "uniform":
            weights = torch.ones_like(problem.d0)
        case _:
            weights = visits(problem, policy)
    member = torch.nn.functional.one_hot(problem.x_of).double()  # [S, K]
    share = (weights[:, None] * member / (weights @ member)).T  # [K, S]
    if average == "markov":
        P, r = (torch.einsum("ks,sa...->ka...", share, values) for values in (problem.P @ member, problem.r))
        return action_values(problem._replace(P=P, r=r), share @ policy)
    return share @ action_values(problem, policy)


def policy_gradient(problem: Problem, theta: Tensor, average: str) -> Tensor:
    """Σ_s η(s) ∫ πi(e given φ(s)) ∂ln πi/∂θ Q(φ(s), e) de [m + 1, 2]: an agent's update, which never sees πo.

    The score is that of the density in E, the integral is by quadrature.
    """
    with torch.no_grad():
        policy = overall_policy(problem, theta)
        q = embedded_values(problem, policy, average)[problem.x_of]
        eta = visits(problem, policy)
        e, weights = nodes(problem, *gaussian(problem, theta))
    theta = theta.clone().requires_grad_()
    score = log_density(e, *gaussian(problem, theta))
    return gradient_of(eta @ integral(weights, score.detach().exp() * score, q, problem), theta)


def lemma_2(problem: Problem, theta: Tensor, averages: Sequence[str]) -> dict[str, float]:
    """‖∂Ji/∂θ − ∂Jo/∂θ‖ / ‖∂Jo/∂θ‖ for some `averages` of `embedded_values`, by automatic differentiation.

    With it the same for the update that an agent makes, the policy gradient in E.
    """
    true = automatic(lambda t: overall_performance(problem, t), theta)
    errors = {}
    for average in averages:

        def inner(t: Tensor, average: str = average) -> Tensor:
            return internal_performance(problem, t, average)

        errors[f"∂Ji, Q: {average}"] = gradient_error(automatic(inner, theta), true)
    for average in ("visits", "markov"):
        errors[f"policy gradient in E, Q: {average}"] = gradient_error(policy_gradient(problem, theta, average), true)
    return errors


def lemma_2_again(problem: Problem, theta: Tensor) -> dict[str, float]:
    """The same errors by finite differences, of Ji with the values of the process on X."""
    true = automatic(lambda t: overall_performance(problem, t), theta)
    outer = finite_differences(lambda t: overall_performance(problem, t), theta)
    inner = finite_differences(lambda t: internal_performance(problem, t, "markov"), theta)
    return {
        "∂Jo, finite differences": gradient_error(outer, true),
        "∂Ji, finite differences": gradient_error(inner, true),
    }


def automatic(function: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    """∂function/∂θ by automatic differentiation, in the shape of θ."""
    theta = theta.clone().requires_grad_()
    return gradient_of(function(theta), theta)


def gradient_of(value: Tensor, theta: Tensor) -> Tensor:
    return torch.autograd.grad(value, theta)[0]


def finite_differences(function: Callable[[Tensor], Tensor], theta: Tensor, step: float = 1e-3) -> Tensor:
    """∂function/∂θ by central differences of fourth order, in the shape of θ."""
    gradient = torch.empty_like(theta)
    for i in range(theta.numel()):
        direction = torch.zeros_like(theta)
        direction.view(-1)[i] = step
        near = function(theta + direction) - function(theta - direction)
        far = function(theta + 2 * direction) - function(theta - 2 * direction)
        gradient.view(-1)[i] = (8 * near - far) / (12 * step)
    return gradient


def relative(found: Tensor, true: Tensor) -> float:
    """The largest abs. difference, over the largest abs. true value."""
    return float((found - true).abs().max() / true.abs().max())


def gradient_error(found: Tensor, true: Tensor) -> float:
    """‖found − true‖ / ‖true‖."""
    return float((found - true).norm() / true.norm())


# ---- Assumption 3 ----------------------------------------------------------------------------------------------------


class Separation(NamedTuple):
    """How well the embeddings of distinct states keep apart.

    | field | what |
    |---|---|
    | states | how many |
    | equal | pairs of states with one embedding |
    | near | pairs nearer than the given distance, the equal ones included |
    | crowded | states that have another so near |
    | smallest, typical | least and median distance from a state to its nearest other, over `measured` states |
    | huddled | share of these whose nearest other is nearer than a hundredth of `typical`: told apart in name only |
    """

    states: int
    equal: int
    near: int
    crowded: int
    smallest: float
    typical: float
    huddled: float
    measured: int


def all_embeddings(phi: Tensor, one_hots: int) -> Floats:
    """x = tanh(Σ rows of φ) [rows.., m] of every state: a state is one row of each of `one_hots` equal blocks of phi.

    phi [rows, m] float32. The sum and tanh are float32, as the agent sees them: what float32 cannot tell apart is one
    embedding. Float64 returned, [(rows / one_hots) ^ one_hots, m].
    """
    total = torch.zeros(1, phi.shape[1], dtype=phi.dtype)
    for block in phi.chunk(one_hots):
        total = (total[:, None] + block).flatten(0, 1)
    x: Floats = total.tanh_().double().numpy()
    return x


def separation(x: Floats, near: float, sample: int) -> Separation:
    """Separation of embeddings [N, m]; pairs nearer than `near` are all found.

    Up to PAIRWISE_LIMIT states every distance is measured. Beyond it nearest neighbours are measured for `sample`
    states only: in 8 to 16 dimensions no index beats trying all of them.
    """
    states = len(x)
    distinct, copies = _distinct(x)
    equal = int((copies * (copies - 1) // 2).sum())
    near_pairs, crowded, smallest = equal, copies > 1, 0.0 if equal else np.inf
    for i, j, distance in _near_pairs(distinct, near):
        near_pairs += int((copies[i] * copies[j]).sum())
        crowded[i] = crowded[j] = True
        smallest = min(smallest, float(distance.min()))
    chosen = np.arange(states)
    if states > PAIRWISE_LIMIT:
        chosen = np.sort(np.random.default_rng(0).choice(states, min(sample, states), replace=False))
    nearest = _nearest(x, chosen)
    return Separation(
        states=states,
        equal=equal,
        near=near_pairs,
        crowded=int(copies[crowded].sum()),
        smallest=min(smallest, float(nearest.min())),
        typical=float(np.median(nearest)),
        huddled=float((nearest < np.median(nearest) / 100).mean()),
        measured=len(chosen),
    )


def _distinct(x: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The different points among x [N, m] in the order of their projections, and how often each occurs.

    Equal points are then neighbours. A search through whole rows, which takes far longer, is needed only if two points
    happen to have one projection.
    """
    along = _along(x)
    order = np.argsort(along)
    x, new = x[order], np.append(True, np.diff(along[order]) > 0)
    copy = np.flatnonzero(~new)
    if (x[copy] != x[copy - 1]).any():
        x, copies = np.unique(x, axis=0, return_counts=True)
        order = np.argsort(_along(x))
        return x[order], copies[order]
    return (x[new] if len(copy) else x), np.diff(np.flatnonzero(new), append=len(x))


def _along(x: Floats) -> Floats:
    """Projections [N] of points [N, m] on a line, the same for equal points."""
    line = np.random.default_rng(0).normal(size=x.shape[1])
    projections: Floats = (x * (line / np.linalg.norm(line))).sum(axis=1)
    return projections


def _near_pairs(x: Floats, near: float) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
    """Every pair of points i, j of x [N, m] nearer than `near`, with its distance, in blocks; x as of `_distinct`.

    No two points are nearer than their projections on a line: it is enough to look at neighbours in that order.
    """
    along, first, shift = _along(x), np.arange(len(x)), 0
    while len(first):
        shift += 1
        first = first[first + shift < len(x)]
        first = first[along[first + shift] - along[first] < near * (1 + 1e-6)]
        distance = np.linalg.norm(x[first] - x[first + shift], axis=1)
        close = distance < near
        if close.any():
            yield first[close], first[close] + shift, distance[close]


def _nearest(x: Floats, chosen: NDArray[np.int64]) -> Floats:
    """Distance from each chosen point to the nearest other of x [N, m].

    |y|² - 2 xy, a matrix product, says up to rounding which blocks of points hold the nearest; only these are measured.
    """
    starts = range(0, len(x), NEAREST_BLOCK)
    squares = np.einsum("nm,nm->n", x, x)
    lowest = np.empty((len(starts), len(chosen)))
    for row, start in zip(lowest, starts, strict=True):
        block = slice(start, start + NEAREST_BLOCK)
        gap = x[block] @ (-2 * x[chosen].T) + squares[block, None]
        inside = np.flatnonzero((chosen >= start) & (chosen < start + NEAREST_BLOCK))
        gap[chosen[inside] - start, inside] = np.inf
        row[:] = gap.min(axis=0)
    possible = lowest <= lowest.min(axis=0) + 1e-12 * squares.max()
    nearest = np.full(len(chosen), np.inf)
    for row, start in zip(possible, starts, strict=True):
        few = np.flatnonzero(row)
        distance = cdist(x[chosen[few]], x[start : start + NEAREST_BLOCK])
        inside = np.flatnonzero((chosen[few] >= start) & (chosen[few] < start + NEAREST_BLOCK))
        distance[inside, chosen[few[inside]] - start] = np.inf
        nearest[few] = np.minimum(nearest[few], distance.min(axis=1))
    return nearest


def smallest_singular_value(phi: Floats) -> float:
    """Of the linear map s ↦ s φ of vectors [inputs] by phi [inputs, m]: injective, and tanh of it too, if above 0."""
    inputs, outputs = phi.shape
    return float(np.linalg.svd(phi, compute_uv=False)[-1]) if inputs <= outputs else 0.0


# ---- what the study reports ------------------------------------------------------------------------------------------

Record = dict[str, Any]


def record(check: str, where: str, quantity: str, value: float, **more: Any) -> Record:
    """A row of the table of checks.

    | key | what |
    |---|---|
    | check | lemma-1, theorem-1, lemma-2 or assumption-3 |
    | where | on what: injective φ, 1 pair of states collides, ...; an environment |
    | quantity, value | what was measured |
    | low, high | its range over the problems, where `value` is the median |
    | n | problems, or states |
    | embedding, trained, seed | of a φ; trained: by which agent, empty for pre-trained only |
    """
    empty: Record = dict.fromkeys(("low", "high", "n", "embedding", "trained", "seed"))
    return {"check": check, "where": where, "quantity": quantity, "value": value, **empty, **more}


def check_lemmas(*, problems: int, states: int, actions: int, cells: int, discount: float) -> list[Record]:
    """Lemma 1, Theorem 1 and Lemma 2 on `problems` random problems, with injective φ and with states that collide.

    Where they should hold the value is the largest over the problems; where states collide it is the median.
    """
    given = [
        random_problem(seed, states=states, actions=actions, cells=cells, discount=discount) for seed in range(problems)
    ]
    draws = [np.random.default_rng([1, seed]) for seed in range(problems)]
    thetas = [torch.from_numpy(draw.normal(0, 0.5, (STATE_EMBEDDING_SIZE + 1, 2))) for draw in draws]
    policies = [torch.from_numpy(draw.dirichlet(np.ones(actions), states)) for draw in draws]
    records = [
        _largest("lemma-1", "relative error for any π", map(lemma_1, given, policies)),
        _largest("lemma-1", "relative error for a Gaussian πi", map(lemma_1_gaussian, given, thetas)),
        _largest("theorem-1", "relative error of v^πo against v*", map(theorem_1, given)),
    ]
    found = [{**lemma_2(*one, ["markov"]), **lemma_2_again(*one)} for one in zip(given, thetas, strict=True)]
    records += [_largest("lemma-2", quantity, [errors[quantity] for errors in found]) for quantity in found[0]]
    for pairs in (1, states // 2):
        broken = [collided(problem, pairs) for problem in given]
        where = "1 pair of states collides" if pairs == 1 else f"{pairs} pairs of states collide"
        records.append(
            _spread(
                "lemma-1", where, "error of Eq. (2), best πi, over range of v*", map(smallest_error_of_eq_2, broken)
            )
        )
        found = [lemma_2(*one, AVERAGES) for one in zip(broken, thetas, strict=True)]
        records += [
            _spread("lemma-2", where, quantity, [errors[quantity] for errors in found]) for quantity in found[0]
        ]
    return records


def _largest(check: str, quantity: str, values: Iterable[float]) -> Record:
    found = list(values)
    return record(check, "injective φ", quantity, max(found), n=len(found))


def _spread(check: str, where: str, quantity: str, values: Iterable[float]) -> Record:
    found = list(values)
    return record(check, where, quantity, float(np.median(found)), low=min(found), high=max(found), n=len(found))


def check_discrete(
    environment: str, phi: Tensor, one_hots: int, *, near: float, sample: int, **which: Any
) -> list[Record]:
    """Assumption 3 for one φ [rows, m] of one-hot states (see `all_embeddings`, `separation`)."""
    found = separation(all_embeddings(phi, one_hots), near, sample)
    return [
        record("assumption-3", environment, quantity, value, n=n, **which)
        for quantity, value, n in (
            (EQUAL, found.equal, found.states),
            (f"pairs of states nearer than {near:g}", found.near, found.states),
            (f"states with another nearer than {near:g}", found.crowded, found.states),
            ("smallest distance to the nearest other state", found.smallest, found.measured),
            ("median distance to the nearest other state", found.typical, found.measured),
            ("share of states with another nearer than a hundredth of that", found.huddled, found.measured),
        )
    ]


EQUAL = "pairs of states with one embedding"
SINGULAR = "smallest singular value"


def check_continuous(environment: str, phi: Tensor, **which: Any) -> list[Record]:
    """Assumption 3 for one φ [inputs, m] of states that are vectors."""
    value = smallest_singular_value(phi.double().numpy())
    return [record("assumption-3", environment, SINGULAR, value, n=len(phi), **which)]


def facts(records: Sequence[Record], tolerance: float) -> dict[str, dict[str, Any]]:
    """What the records say about the paper's claims: {claim: {"holds", "measure", "value", "n"}}.

    Equality is a relative error below `tolerance`; it is told as the number of decimal digits that agree.
    """
    found: dict[str, dict[str, Any]] = {}
    for check in ("lemma-1", "theorem-1", "lemma-2"):
        rows = [row for row in records if row["check"] == check and row["where"] == "injective φ"]
        if rows:
            worst = max(row["value"] for row in rows)
            digits = math.floor(-math.log10(max(worst, np.finfo(np.float64).eps)))
            found[check] = {
                "holds": worst < tolerance,
                "measure": "decimal digits that agree",
                "value": digits,
                "n": rows[0]["n"],
            }
    colliding = [row for row in records if row["check"] == "lemma-1" and row["where"] != "injective φ"]
    if colliding:
        worst = max(row["high"] for row in colliding)
        found["lemma-1-any-embedding"] = {
            "holds": worst < tolerance,
            "measure": "largest error of the best πi where states share an embedding, over the range of v*",
            "value": worst,
            "n": sum(row["n"] for row in colliding),
        }
    equal = [row["value"] for row in records if row["quantity"] == EQUAL]
    singular = [row["value"] for row in records if row["quantity"] == SINGULAR]
    if equal or singular:
        found["assumption-3"] = {
            "holds": not any(equal) and all(value > 0 for value in singular),
            "measure": EQUAL,
            "value": sum(equal),
            "n": len(equal) + len(singular),
        }
    return found
