"""Does the same trick work twice? Stubborn opponents against one agent with one memory.

Each opponent keeps its seat and its habit. The agent plays greedily with memory, learns after
each game and sleeps over it; a frozen agent (no memory, no sleep) plays the same opponents in the
same run. In the end the hippocampus is taken away: what the network alone still does was learned
in sleep. Strangers show whether it cost what the agent could before.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import torch
from torch import Generator, Tensor

from envs import Game, legal_of, take
from lifelong_agent import LifelongAgent
from lifelong_agent.policy import DualStreamNetwork
from selfplay.match import play_out
from selfplay.metrics import Mean, losses_until_broken, relapsed
from selfplay.players import Crowd, NetworkPlayer, Stubborn
from selfplay.seats import Player

TRIED_AT_ONCE = 128  # opponents; half of them in each seat
NUMBERS = 100_000  # of opponents that belong to a seed; strangers have the upper half of them


@dataclass
class OpponentRecord:
    """How one opponent fared.

    Attributes:
        name: `stubborn:SEED`.
        seat: the agent's seat.
        results: 1, 0, -1 of the agent, game by game.
        retest: the result after all other opponents.
        frozen_losses: of the agent without memory, in as many games.
        alone: the result of the network that sleep has taught, without the hippocampus.
        frozen: the result of the network as it was shipped.
    """

    name: str
    seat: int
    results: list[int] = field(default_factory=list)
    retest: int = 0
    frozen_losses: int = 0
    alone: int = 0
    frozen: int = 0

    def to_json(self) -> dict[str, Any]:
        """The shape that `adapt --json` writes."""
        return {
            "name": self.name,
            "seat": self.seat,
            "results": self.results,
            "losses_until_broken": losses_until_broken(self.results),
            "retest": self.retest,
            "alone": self.alone,
            "frozen": self.frozen,
        }


def play_game(
    game: Game[Any], agent: LifelongAgent, seat: int, opponent: Player, seed: int = 0
) -> int:
    """One game of the agent, with memory, against a player; it learns nothing yet.

    The chance of the rules and of the opponent is drawn from `seed`.

    Returns:
        The agent's result: 1, 0 or -1.
    """
    generator = Generator(game.device).manual_seed(seed)
    state = game.init(1, generator)
    opponent.reset(torch.ones(1, dtype=torch.bool, device=game.device))
    own = torch.tensor([seat], device=game.device)
    total = 0.0
    agent.begin_game(game.variant, opponent.name)
    while not bool(state.ended):
        actions = torch.zeros(1, 2, dtype=torch.int64, device=game.device)
        if bool(state.to_move[0, seat]):
            decision = agent.act(
                {
                    "observation": game.frame(state, own)[0],
                    "action_mask": legal_of(state, own)[0],
                }
            )
            actions[0, seat] = decision.actions[0]
        if bool(state.to_move[0, 1 - seat]):
            actions[0, 1 - seat] = opponent.act(game, state, 1 - own, generator)[0]
        state = game.step(state, actions, generator)
        total += float(state.rewards[0, seat])
    return (total > 0) - (total < 0)


def play_live(
    game: Game[Any], agent: LifelongAgent, seat: int, opponent: Player, seed: int = 0
) -> int:
    """One game, as `play_game` plays it; the agent learns from it."""
    result = play_game(game, agent, seat, opponent, seed)
    agent.end_game(result)
    return result


def alone(
    game: Game[Any], network: DualStreamNetwork, seat: int, opponent: Player, seed: int = 0
) -> int:
    """The result of the greedy network without memory: 1, 0 or -1.

    It is the same every time, with the chance that the agent's game from this seed has.
    """
    generator = Generator(game.device).manual_seed(seed)
    player = NetworkPlayer(network, "alone", greedy=True)
    results = play_out(game, game.init(1, generator), (player, opponent), seat, generator)
    return int(results.sign())


def winning_opponents(
    game: Game[Any], network: DualStreamNetwork, seed: int, after: int = 0
) -> Iterator[tuple[int, Stubborn]]:
    """Stubborn opponents, and the agent's seat, that beat the frozen agent in the first game.

    They are tried `TRIED_AT_ONCE` at a time, and who wins then has to win by itself, too. In a game
    whose rules draw lots these are not the same games, so that some who would win are passed over.
    Those whose number is at most `after` are left out.
    """
    number = seed * NUMBERS
    number += max(0, after - number - 1) // TRIED_AT_ONCE * TRIED_AT_ONCE
    while True:
        likely: set[int] = set()
        for seat in (0, 1):
            tried = [n for n in range(number + 1, number + 1 + TRIED_AT_ONCE) if n % 2 == seat]
            results = _all_at_once(game, network, seat, tried)
            likely.update(n for n, lost in zip(tried, (results < 0).tolist(), strict=True) if lost)
        for winner in sorted(likely):
            opponent, seat = Stubborn(winner), winner % 2
            if winner > after and alone(game, network, seat, opponent) < 0:
                yield seat, opponent
        number += TRIED_AT_ONCE


def _all_at_once(
    game: Game[Any], network: DualStreamNetwork, seat: int, numbers: Sequence[int]
) -> Tensor:
    """(N,) results of the greedy network against each character, from where `alone` begins."""
    generator = Generator(game.device).manual_seed(0)
    first = game.init(1, generator)
    state = take(first, torch.zeros(len(numbers), dtype=torch.int64, device=game.device))
    players = (NetworkPlayer(network, "alone", greedy=True), Crowd(numbers))
    return play_out(game, state, players, seat, generator)


def strangers(seed: int, num: int) -> Iterator[tuple[int, Player]]:
    """Stubborn opponents that nobody chose, and the agent's seat.

    `winning_opponents` gives none of them before it has tried fifty thousand.
    """
    first = seed * NUMBERS + NUMBERS // 2
    for number in range(first, first + num):
        yield number % 2, Stubborn(number)


@dataclass(frozen=True)
class AdaptConfig:
    """Who is met, how often, and how long the agent sleeps.

    Attributes:
        num_opponents: how many that beat the frozen agent, one after another.
        num_games: games against each.
        num_strangers: others, met once afterwards.
        sleep_s: seconds of sleep after each game; 0 for none.
        seed: where the search for opponents starts.
        resumed: whether to go on where the agent's memory ends, on the same terms; else whom it
            knows is met anew.
    """

    num_opponents: int = 20
    num_games: int = 30
    num_strangers: int = 100
    sleep_s: float = 3.0
    seed: int = 0
    resumed: bool = False


def adapt(
    game: Game[Any],
    agent: LifelongAgent,
    config: AdaptConfig,
    progress: Callable[[str], None] = lambda _: None,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Play opponents that beat the frozen agent first, one after another, then all once more.

    Args:
        game: the rules, on the agent's device.
        agent: with its memory; it learns.
        config: whom it meets, and for how long it sleeps.
        progress: told after each game how the opponents have fared so far.
        keep: given, after each opponent, what is known by then; retests and strangers come last.

    Returns:
        The JSON shape of `adapt`; the longest sleep is that of this call.
    """
    known = _met_before(game, agent, config.seed) if config.resumed else {}
    found = winning_opponents(game, agent.network, config.seed, max(known, default=0))
    everybody = chain([(number % 2, Stubborn(number)) for number in known], found)
    met: list[tuple[OpponentRecord, Stubborn]] = []
    longest_s = 0.0
    for seat, opponent in islice(everybody, config.num_opponents):
        record = OpponentRecord(opponent.name, seat)
        met.append((record, opponent))
        results = known.setdefault(opponent.seed, [])
        for number in range(config.num_games):
            if number == len(results):
                results.append(play_live(game, agent, seat, opponent))
                longest_s = max(longest_s, slept(agent, config.sleep_s))
            record.results.append(results[number])
            progress(so_far([record for record, _ in met]))
        record.frozen = alone(game, agent.network, seat, opponent)
        record.frozen_losses = config.num_games * (record.frozen < 0)
        keep({"partial": True, "opponents": [record.to_json() for record, _ in met]})
    for record, opponent in met:
        record.alone = alone(game, agent.awake, record.seat, opponent)
    unmet = list(strangers(config.seed, config.num_strangers))
    new = [play_game(game, agent, *who) for who in unmet]
    before = [alone(game, agent.network, *who) for who in unmet]
    for record, opponent in met:
        results = known[opponent.seed]
        if len(results) == config.num_games:
            results.append(play_live(game, agent, record.seat, opponent))
        record.retest = results[config.num_games]
        progress(so_far([record for record, _ in met]))
    return {
        "longest_sleep_s": longest_s,
        "strangers": {"games": len(unmet), **compared(new, before, "frozen_score")},
        **summary([record for record, _ in met], config.num_games),
    }


def _met_before(game: Game[Any], agent: LifelongAgent, seed: int) -> dict[int, list[int]]:
    """The stubborn opponents of a seed that the memory knows, by number: the agent's results."""
    store = agent.hippocampus.store
    names = [name for variant, name in store.opponents() if variant == game.variant]
    numbers = [int(m[1]) for m in (re.fullmatch(r"stubborn:(\d{1,9})", n) for n in names) if m]
    return {
        number: [int(result) for result in store.results(f"stubborn:{number}", game.variant)]
        for number in sorted(numbers)
        if seed * NUMBERS < number < seed * NUMBERS + NUMBERS // 2
    }


def so_far(records: list[OpponentRecord]) -> str:
    """In a few words, what is known of the opponents up to now; the last one may not be over."""
    until = [losses_until_broken(record.results) for record in records]
    broken = [count for count in until if count is not None]
    median = f" (median {statistics.median(broken):g})" if broken else ""
    newest = "".join("-=#"[result + 1] for result in records[-1].results[-10:])
    return f"broken {len(broken)} of {len(records)}{median}, {records[-1].name} {newest}"


def slept(agent: LifelongAgent, budget_s: float) -> float:
    """Seconds slept."""
    if not budget_s:
        return 0.0
    started = time.monotonic()
    agent.sleep(budget_s)
    return time.monotonic() - started


def compared(results: list[int], others: list[int], name: str) -> dict[str, Any]:
    """Two scores, the second by its name, and the interval of their difference, by pairs."""
    differences = [(ours - theirs) / 2 for ours, theirs in zip(results, others, strict=True)]
    return {
        "score": score_of(results),
        name: score_of(others),
        "difference_ci95": list(Mean.of(differences).ci95),
    }


def score_of(results: list[int]) -> float:
    """A draw counts half."""
    return sum(result + 1 for result in results) / (2 * len(results))


def survival(records: list[OpponentRecord]) -> float | None:
    """Share of the gain that survives without the hippocampus; None if there was no gain.

    (alone - frozen) / (retest - frozen), sums over the opponents.
    """
    gain = sum(r.retest - r.frozen for r in records)
    return sum(r.alone - r.frozen for r in records) / gain if gain > 0 else None


def summary(records: list[OpponentRecord], num_games: int) -> dict[str, Any]:
    """The figures of `adapt` from its records."""
    until = [losses_until_broken(r.results) for r in records]
    broken = [count for count in until if count is not None]
    relapses = [relapsed(r.results, r.retest) for r in records]
    never = num_games + 1
    return {
        "median_losses_until_broken": statistics.median(
            never if count is None else count for count in until
        ),
        "broken": len(broken),
        "unbroken": len(records) - len(broken),
        "opponents_that_won_first": sum(r.results[0] < 0 for r in records),
        "relapse_rate": sum(relapses) / max(1, len(broken)),
        "frozen_losses_per_game": sum(r.frozen_losses for r in records)
        / (num_games * len(records)),
        "survives_without_hippocampus": survival(records),
        "opponents": [r.to_json() for r in records],
    }
