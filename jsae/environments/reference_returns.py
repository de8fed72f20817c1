"""How good a policy can be: returns of the uniformly random and of the best policy, undiscounted, an episode long.

Every panel draws these two as lines, and every run reports its return as a fraction of the way between them.

==================  ==============================================  =================================================
environment         random                                          optimal
==================  ==============================================  =================================================
slot machine        closed form                                     backward induction over all states
gridworld           Monte Carlo, 95 % interval                      A* search over positions, and a geometric bound
recommender         backward induction over all states              backward induction over all states
half-cheetah        Monte Carlo, 95 % interval                      not known
==================  ==============================================  =================================================
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.experience.environment import Environment, ReferenceReturns

if TYPE_CHECKING:  # MuJoCo is slow to import, and only one of them needs it
    from jsae.environments.gridworld import Gridworld
    from jsae.environments.half_cheetah import HalfCheetah
    from jsae.environments.recommender import Recommender
    from jsae.environments.slot_machine import SlotMachine

__all__ = [
    "Floats",
    "Ints",
    "fewest_steps",
    "gridworld",
    "gridworld_optimal",
    "gridworld_plan",
    "half_cheetah",
    "plan_return",
    "random_return",
    "recommender",
    "slot_machine",
    "slot_machine_optimal",
    "slot_machine_random",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def random_return(environment: Environment, episodes: int) -> tuple[float, float]:
    """Mean return of the uniformly random policy by Monte Carlo, and the half-width of its 95 % interval."""
    generator = torch.Generator().manual_seed(0)

    def uniforms(count: int) -> Tensor:
        return torch.rand(1, episodes, count, dtype=torch.float64, generator=generator)

    state = environment.reset(uniforms(environment.reset_noise))
    returns = torch.zeros(1, episodes, dtype=torch.float64)
    running = torch.ones(1, episodes, dtype=torch.bool)
    for _ in range(environment.episode_length):
        if environment.n_actions is not None:
            action = torch.randint(environment.n_actions, (1, episodes), generator=generator)
        else:
            action = 2 * torch.rand(1, episodes, environment.action_size, generator=generator) - 1
        state, reward, terminated = environment.step(state, action, uniforms(environment.step_noise))
        returns += reward * running
        running &= ~terminated
    return float(returns.mean()), float(1.96 * returns.std() / episodes**0.5)


def half_cheetah(environment: "HalfCheetah", episodes: int = 1_000) -> ReferenceReturns:
    """The random return and the half-width of its 95 % interval; nobody knows the best one."""
    random, half_width = random_return(environment, episodes)
    return ReferenceReturns(random, None, half_width)


def slot_machine(environment: "SlotMachine") -> ReferenceReturns:
    """Both returns without error."""
    return ReferenceReturns(slot_machine_random(environment), slot_machine_optimal(environment), 0.0)


def slot_machine_random(environment: "SlotMachine") -> float:
    """Mean return of the uniformly random policy: the sum over steps and states of probability x reward.

    A uniformly random action spins each reel by an independent uniformly random move, so that the probability of a
    combination is the product of the reels' own, each a random walk on its ring of places.
    """
    reels, values = len(environment.reels), environment.values
    move = np.bincount(environment.places % values, minlength=values) / environment.moves
    walk = np.stack([np.roll(move, place) for place in range(values)])  # walk[i, j]: from place i to place j
    reward = environment.rewards.numpy().astype(np.float64).reshape([values] * reels)
    place, total = np.eye(values)[0], 0.0
    for _ in range(environment.episode_length):
        place = place @ walk
        expected = reward
        for _ in range(reels):
            expected = expected @ place  # sums over the last reel that is left
        total += float(expected)
    return total


def slot_machine_optimal(environment: "SlotMachine") -> float:
    """Return of the best policy from the start, by backward induction: V_t(s) = max_a r(s') + V_{t+1}(s')."""
    next_state = environment.transitions.numpy()  # [S, distinct actions]
    reward = environment.rewards.numpy().astype(np.float64)
    value = np.zeros(len(reward))
    for _ in range(environment.episode_length):
        value = (reward + value)[next_state].max(axis=1)
    return float(value[0])


def gridworld(environment: "Gridworld", episodes: int = 50_000, resolution: int = 100) -> ReferenceReturns:
    """Both returns; the error is the larger of the random return's 95 % half-width and the gap of the optimum's bounds.

    The optimum is that of a player who knows the true position. In the discrete version a policy sees only the bin; the
    best plan is a fixed sequence of actions from a fixed start, so it can play that plan too as long as the plan visits
    no bin twice.
    """
    random, half_width = random_return(environment, episodes)
    low, high = gridworld_optimal(environment, resolution)
    return ReferenceReturns(random, low, max(half_width, high - low))


def gridworld_optimal(environment: "Gridworld", resolution: int = 100) -> tuple[float, float]:
    """Bounds (low, high) of the best return from the start.

    Low is the return of a plan that `gridworld_plan` found. High is that of the fewest steps that could reach the goal
    if there were no walls. Standing still for a whole episode is the alternative to both.
    """
    idle = environment.episode_length * environment.step_reward
    plan = gridworld_plan(environment, resolution)
    steps = fewest_steps(environment, np.array([environment.start]))[0]
    high = max(idle, float(environment.goal_reward + steps * environment.step_reward))
    return (idle if plan is None else max(idle, plan_return(environment, plan))), high


def fewest_steps(environment: "Gridworld", position: Floats, directions: int = 3600) -> Floats:
    """A lower bound on the steps to the goal from positions [M, 2], walls or not: whole numbers of 1 or more, [M].

    In a direction u no step gets further than sub_steps x sub_step_length x max_a u.motion(a). As long as that is short
    of the nearest goal point in some direction, the goal is out of reach.
    """
    angles = np.linspace(0, 2 * np.pi, directions, endpoint=False)
    u = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reach = environment.sub_steps * environment.sub_step_length * (u @ environment.action_effects().T).max(axis=1)
    x_low, y_low, x_high, y_high = environment.goal
    corners = np.array([[x_low, y_low], [x_low, y_high], [x_high, y_low], [x_high, y_high]])
    distance = (u @ corners.T).min(axis=1) - position @ u.T  # [M, directions]
    steps: Floats = np.maximum(1, np.ceil((distance / reach).max(axis=1) - 1e-6))
    return steps


def gridworld_plan(environment: "Gridworld", resolution: int = 100) -> list[int] | None:
    """The cheapest plan to the goal that a search finds: action ids from the start, or None where it finds none.

    A* search (Hart, Nilsson and Raphael 1968) by the environment's own step over its continuous positions, with every
    distinct motion, and with the cost of collisions; what is still to come costs at least `fewest_steps`. Positions
    that share a cell of a `resolution` x `resolution` grid are merged: the first and cheapest stands for all. So a plan
    is real, but a cheaper one may exist.
    """
    if environment.step_reward >= 0:
        raise JsaeError(f"gridworld: step_reward is {environment.step_reward}; the search for a plan needs less than 0")
    distinct = np.sort(np.unique(environment.action_effects().round(9), axis=0, return_index=True)[1])
    seen = np.zeros((resolution + 1) ** 2, dtype=bool)
    start = _Nodes(environment.reset(torch.empty(1, 1, 0))[0], None, np.array([-1]), np.array([-1]))
    waiting = {(0.0, 0.0): [start]}  # by the least that a plan through them costs, and the steps to come in it
    while waiting and (first := min(waiting))[0] <= round(-environment.episode_length * environment.step_reward, 6):
        cost = first[0] + first[1] * environment.step_reward
        for nodes in waiting.pop(first):
            nodes = nodes.select(_unseen(nodes.position, resolution, seen))
            seen[_cells(nodes.position, resolution)] = True
            for chunk in np.array_split(np.arange(len(nodes.action)), len(nodes.action) // 256 + 1):
                state = nodes.position[chunk, None].expand(-1, len(distinct), -1)
                action = torch.from_numpy(distinct).expand(len(chunk), -1)
                next_state, reward, terminated = environment.step(state, action)
                if terminated.any():
                    row, column = np.argwhere(terminated.numpy())[0]
                    return [*nodes.plan(chunk[row]), int(distinct[column])]
                parent, column = np.indices(reward.shape).reshape(2, -1)
                children = _Nodes(next_state.flatten(0, 1), nodes, chunk[parent], distinct[column])
                for value in reward.unique():
                    same = children.select((reward == value).flatten().numpy().nonzero()[0])
                    same = same.select(_unseen(same.position, resolution, seen))
                    to_come = fewest_steps(environment, same.position.double().numpy(), directions=72)
                    for steps in np.unique(to_come):
                        least = round(cost - value.item() - steps * environment.step_reward, 6)
                        waiting.setdefault((least, steps), []).append(same.select((to_come == steps).nonzero()[0]))
    return None


class _Nodes(NamedTuple):
    """Positions [M, 2] that a search has reached, each with its node among the parents and the action that led here."""

    position: Tensor
    parents: "_Nodes | None"
    parent: np.ndarray
    action: np.ndarray

    def select(self, index: np.ndarray) -> "_Nodes":
        return _Nodes(self.position[index], self.parents, self.parent[index], self.action[index])

    def plan(self, index: int) -> list[int]:
        """Actions from the start to a node."""
        if self.parents is None:
            return []
        return [*self.parents.plan(self.parent[index]), int(self.action[index])]


def _cells(position: Tensor, resolution: int) -> np.ndarray:
    x, y = (position * resolution).long().unbind(-1)
    return (x * (resolution + 1) + y).numpy()


def _unseen(position: Tensor, resolution: int, seen: np.ndarray) -> np.ndarray:
    """Indices of the first position in each cell that the search has not seen."""
    cells = _cells(position, resolution)
    first = np.unique(cells, return_index=True)[1]
    return np.sort(first[~seen[cells[first]]])


def plan_return(environment: "Gridworld", plan: list[int]) -> float:
    """Return of a plan from the start, up to its end or the goal."""
    state, total = environment.reset(torch.empty(1, 1, 0)), 0.0
    for action in plan:
        state, reward, terminated = environment.step(state, torch.tensor([[action]]))
        total += float(reward)
        if terminated:
            break
    return total


def recommender(environment: "Recommender") -> ReferenceReturns:
    """Both returns without error, averaged over the start of an episode.

    Backward induction over all N^n histories and N actions. With w(x) = price of x + value of the history after buying
    x, and D = sum_x p(x) w(x), recommending a is worth D + g_a (w(a) - D), where g_a = extra_a / (1 + extra_a) and
    extra_a = (boost - 1) p(a) + bonus is the mass that the recommendation adds to item a. Histories with the same
    n-gram rows and the same newest n - 1 items have one value.
    """
    n, items = environment.n, environment.n_items
    states = torch.cartesian_prod(*[torch.arange(items)] * n).view(-1, n)  # [N^n, n], in the order of their numbers
    suffix = torch.arange(len(states)) % items ** (n - 1)  # the newest n - 1 items as one number
    class_of = suffix
    for rows in environment.mixture(states)[0].unbind(-1):
        class_of = torch.unique(class_of * (rows.max() + 1) + rows, return_inverse=True)[1]
    example = torch.empty(int(class_of.max()) + 1, dtype=torch.int64)
    example[class_of] = torch.arange(len(states))  # any history of each class; classes ascend with the suffix
    runs = states[example].split(suffix[example].bincount().tolist())
    groups = [_Histories.of(environment, histories) for histories in runs]
    price = environment.prices.double().numpy()
    random = optimal = np.zeros((items ** (n - 1), items))  # of the history that item x (column) ends, its others (row)
    for _ in range(environment.episode_length):
        of_classes = [group.values(price + random[last], price + optimal[last]) for last, group in enumerate(groups)]
        random, optimal = (
            np.concatenate(values)[class_of].reshape(-1, items) for values in zip(*of_classes, strict=True)
        )
    start = environment.start_probabilities()[states].prod(-1).numpy()
    return ReferenceReturns(float(start @ random.ravel()), float(start @ optimal.ravel()), 0.0)


@dataclass(frozen=True)
class _Histories:
    """Classes of histories that end in the same n - 1 items: after each, item a is worth the same w(a).

    Their p differ in few items from the smallest, `base`, because they share the n-grams of lower order. K classes.

    | field | shape | meaning |
    |---|---|---|
    | base | [N] | least p of each item |
    | base_gain | [N] | g of it |
    | more | [K, N], sparse | by how much p exceeds base; E entries, in the order of classes |
    | more_gain | [K, N], sparse | by how much g exceeds base_gain, at the same entries |
    | more_gains | [K] | sum of more_gain over items |
    | owner | [E] | class of each entry |
    | gain | [E] | g of these p |
    | first, varied | [V] | first entry of each class that has any; these classes |
    """

    base: Floats
    base_gain: Floats
    more: csr_array
    more_gain: csr_array
    more_gains: Floats
    owner: Ints
    gain: Floats
    first: Ints
    varied: Ints

    @classmethod
    def of(cls, environment: "Recommender", histories: Tensor) -> Self:
        """histories: one of each class, [K, n]."""

        def gain_of(p: Floats) -> Floats:
            extra = (environment.boost - 1) * p + environment.bonus
            return extra / (1 + extra)

        p = environment.probabilities(histories[None])[0].numpy()
        base = p.min(axis=0)
        owner, item = (p > base).nonzero()
        p_there = p[owner, item]
        gain, base_gain = gain_of(p_there), gain_of(base)
        starts = np.searchsorted(owner, np.arange(len(p) + 1))
        more, more_gain = (
            csr_array((values, item, starts), shape=p.shape)
            for values in (p_there - base[item], gain - base_gain[item])
        )
        more_gains = more_gain @ np.ones(p.shape[1])
        varied = np.flatnonzero(np.diff(starts))
        return cls(base, base_gain, more, more_gain, more_gains, owner, gain, starts[varied], varied)

    def values(self, random: Floats, optimal: Floats) -> tuple[Floats, Floats]:
        """Of each class under either policy [K], for what items are worth under it: w [N]."""
        above = self.more @ np.column_stack([random, optimal])
        return (
            self.random_value(random, self.base @ random + above[:, 0]),
            self.optimal_value(optimal, self.base @ optimal + above[:, 1]),
        )

    def random_value(self, worth: Floats, without: Floats) -> Floats:
        """Mean of D + g_a (w(a) - D) over all items a, [K]; without is D [K]."""
        gained = self.base_gain @ worth - self.base_gain.sum() * without
        more = self.more_gain @ worth - self.more_gains * without
        return without + (gained + more) / len(worth)

    def optimal_value(self, worth: Floats, without: Floats) -> Floats:
        """Maximum of D + g_a (w(a) - D) over all items a, [K].

        Some item is worth D or more, so only such items matter; for them a larger g is better, so that every class may
        also try each item with base_gain: a line in D for each item. Lines fall with D, and one that is lower at the
        least D than the highest at the largest D is never the highest.
        """
        low, high = without.min(), without.max()
        level = self.base_gain * worth
        lines = level - self.base_gain * low >= (level - self.base_gain * high).max()
        gained = (level[lines] - self.base_gain[lines] * without[:, None]).max(axis=1)
        if len(self.first):
            own = self.gain * (worth[self.more.indices] - without[self.owner])
            gained[self.varied] = np.maximum(gained[self.varied], np.maximum.reduceat(own, self.first))
        return without + gained
