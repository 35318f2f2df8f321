"""Random play written down once per variant, for all tests that look at it.

A recording holds every step of some games until the last of them has ended, the steps one after
another: so a property of all steps is one comparison of large tensors.
"""

import dataclasses
import functools
import itertools
import sys

import pytest
import torch

import envs

NUM_GAMES = 8
SPARE_STEPS = 5_000


@dataclasses.dataclass(frozen=True)
class Recording:
    """T steps of B games; every tensor of `before`, `actions` and `after` has T * B rows."""

    game: envs.Game
    before: envs.State
    actions: torch.Tensor
    after: envs.State
    num_games: int

    @property
    def num_rows(self):
        return self.before.num_games

    @property
    def seats(self):
        """(T * B,) 0 and 1 in turn."""
        return torch.arange(self.num_rows) % envs.NUM_SEATS

    @functools.cached_property
    def frames_before(self):
        """What those seats see before each step."""
        return self.game.frame(self.before, self.seats)

    @functools.cached_property
    def frames_after(self):
        """What they see after it."""
        return self.game.frame(self.after, self.seats)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fields(state):
    return {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}


def random_actions(state, generator):
    """A legal action for each seat to move, any number for the others."""
    weights = state.legal_actions.flatten(0, 1).float()
    nothing = weights.sum(1, keepdim=True) == 0
    drawn = torch.multinomial(weights + nothing, 1, generator=generator)
    return drawn.view(state.num_games, envs.NUM_SEATS)


def played(game, num_games, steps, seed=0):
    """The state after so many random steps."""
    generator = seeded(seed)
    state = game.init(num_games, generator)
    for _ in range(steps):
        state = game.step(state, random_actions(state, generator), generator)
    return state


def play_out(game, state, generator):
    """Every (before, actions, after) until the last of the games has ended."""
    for _ in range(SPARE_STEPS):
        if state.ended.all():
            return
        actions = random_actions(state, generator)
        following = game.step(state, actions, generator)
        yield state, actions, following
        state = following
    pytest.fail(f"{game.variant} does not end within {SPARE_STEPS} steps")


@functools.lru_cache(maxsize=2)
def record(game, num_games=NUM_GAMES, seed=0):
    """Random play from the start, of long games from shortly before their ends."""
    generator = seeded(seed)
    state = SHORTENED.get(game.name, lambda fresh: fresh)(game.init(num_games, generator))
    before, actions, after = zip(*play_out(game, state, generator), strict=True)
    return Recording(game, joined(before), torch.cat(actions), joined(after), num_games)


def joined(states):
    """All rows of all states."""
    values = [fields(state) for state in states]
    return type(states[0])(**{name: torch.cat([v[name] for v in values]) for name in values[0]})


def last_points(state):
    """Matches of volley in the last 70 ticks of which all but one end with the next point."""
    by_clock = torch.arange(state.num_games) == 0
    low_launch = torch.ones(3, 4)
    low_launch[2, 3] = 0.2
    return dataclasses.replace(
        state,
        bodies=state.bodies * low_launch,
        lost=torch.where(by_clock[:, None], 0, 4).int().repeat(1, envs.NUM_SEATS),
        wait=torch.where(by_clock, state.wait, 3).int(),
        ticks=state.ticks + 2930,
    )


SHORTENED = {"volley": last_points}


def swapped(state):
    """The same position with the seats exchanged; `swap_seats` of its module knows better."""
    swap = getattr(sys.modules[type(state).__module__], "swap_seats", swap_what_is_per_seat)
    return swap(state)


def swap_what_is_per_seat(state):
    values = {
        name: x.flip(1) if x.dim() > 1 and x.shape[1] == envs.NUM_SEATS else x
        for name, x in fields(state).items()
    }
    if "seat" in values:  # turn-based games say whose turn it is
        values["seat"] = 1 - values["seat"]
    return type(state)(**values)


def assert_same(first, second, rows=slice(None), because=""):
    for name, tensor in fields(first).items():
        assert torch.equal(tensor[rows], fields(second)[name][rows]), f"{name} {because}"


def same_rows(first, second):
    """(B,) bool: the rows in which all is equal."""
    pairs = zip(fields(first).values(), fields(second).values(), strict=True)
    equal = [(a == b).flatten(1).all(1) if a.dim() > 1 else a == b for a, b in pairs]
    return torch.stack(equal).all(0)


def chance_free(game, recording):
    """(T * B,) bool: the steps into which no chance enters."""
    outcomes = [game.step(recording.before, recording.actions, seeded(s)) for s in (1, 2)]
    return same_rows(*outcomes)


def spread(game, num_variants):
    """A deterministic choice of so many variants of a game, by name.

    The classic and every single modifier; then, one by one, the variant that has most of what was
    not yet chosen: which of any three modifiers are there, and which are not.
    """
    chosen = [name for name in envs.list_variants(game) if "+" not in name]
    names = [name for name in envs.list_variants(game) if "+" in name]
    seen = set().union(*(constellations(name) for name in chosen))
    while len(chosen) < num_variants:
        best = max(names, key=lambda name: len(constellations(name) - seen))
        chosen.append(best)
        names.remove(best)
        seen |= constellations(best)
    return tuple(chosen)


@functools.cache
def constellations(name):
    """For any three modifiers of a game, whether the variant has each."""
    game, _, tail = name.partition(":")
    has = {modifier: modifier in tail.split("+") for modifier in envs.GAMES[game].MODIFIERS}
    return frozenset(itertools.combinations(sorted(has.items()), 3))


def to_device(state, device):
    """The same state on another device."""
    moved = {f.name: getattr(state, f.name).to(device) for f in dataclasses.fields(state)}
    return type(state)(**moved)
