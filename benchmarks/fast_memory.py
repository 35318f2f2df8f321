"""Proofs of the hippocampus, of strategies, and of knowing people by their play."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import envs
from lifelong_agent import LifelongAgent
from memory import NO_WAY, Episode, Hippocampus, Strategy, Trace, fingerprint
from memory.advice import advise
from memory.forgetting import strength
from memory.hippocampus import Advice
from memory.strategies import StrategyBook
from memory.tactics import Tactician, Tactics
from selfplay.adapt import alone, play_game, play_live, winning_opponents
from selfplay.players import Stubborn
from selfplay.seats import Player

Proofs = dict[str, tuple[str, Callable[[int], dict[str, float]]]]
Met = list[tuple[int, Player]]
VISITED = 100  # situations, once each
WIDTH, CHOICES = 8, 4  # of keys, and actions, where no game is played
SEEN_IN_ALL = 400  # games of chance


def not_lost(results: list[int]) -> float:
    """The share of games that were not lost."""
    return float(np.mean([result >= 0 for result in results]))


def meet(game: Any, seed: int, num: int) -> Met:
    """Opponents that beat the shipped network, and the agent's seats."""
    network = LifelongAgent.pretrained().network
    return list(islice(winning_opponents(game, network, seed), num))


# Lesions


def talks_nonsense(agent: LifelongAgent, seed: int) -> LifelongAgent:
    """The hippocampus gives its advice about other actions than it means."""
    rng, sound = np.random.default_rng(seed), agent.hippocampus.advise

    def shuffled(*args: Any, **more: Any) -> Advice:
        advice = sound(*args, **more)
        return Advice(rng.permutation(advice.advantage), advice.recalled)

    agent.hippocampus.advise = shuffled  # type: ignore[method-assign]
    return goes_no_way(agent)


def is_silent(agent: LifelongAgent) -> LifelongAgent:
    """The hippocampus remembers and says nothing."""

    def silent(*args: Any, **more: Any) -> Advice:
        return Advice(np.zeros(args[5], np.float32), ())

    agent.hippocampus.advise = silent  # type: ignore[method-assign]
    return goes_no_way(agent)


def goes_no_way(agent: LifelongAgent) -> LifelongAgent:
    """Lines are noted, and neither gone again nor left on purpose."""
    agent.lines.way = lambda *_: NO_WAY  # type: ignore[method-assign]
    agent.lines.way_on = lambda *_: NO_WAY  # type: ignore[method-assign]
    return agent


class Heedless(Tactician):
    """Strategies are known, and not minded."""

    def consult(self, *args: Any) -> Tactics:
        """Nothing to say."""
        num_actions = args[4]
        return Tactics(np.zeros(num_actions, np.float32), np.zeros(num_actions, np.bool_), ())


def is_heedless(agent: LifelongAgent) -> LifelongAgent:
    """Strategies are noted, and not used."""
    agent.tactician = Heedless(agent.hippocampus.book)
    return agent


# Hippocampus


def one_shot(game: Any, num: int, seed: int) -> dict[str, float]:
    """Games 2 to 4 against somebody who won the first: the share not lost."""
    met = meet(game, seed, num)
    minds: dict[str, Callable[[], LifelongAgent]] = {
        "memory": LifelongAgent.pretrained,
        "memory without lines": lambda: goes_no_way(LifelongAgent.pretrained()),
        "memory that talks nonsense": lambda: talks_nonsense(LifelongAgent.pretrained(), seed),
    }
    found: dict[str, float] = {}
    for name, make in minds.items():
        agent = make()
        lives = [[play_live(game, agent, *who) for _ in range(4)] for who in met]
        found[name] = not_lost([result for life in lives for result in life[1:]])
    network = LifelongAgent.pretrained().network
    found["no memory"] = not_lost([alone(game, network, *who) for who in met])
    return found


def make_trace(situation: int, action: int) -> Trace:
    """A decision without a game."""
    frame = np.full((3, 8, 8), situation % 251, np.uint8)
    frame[0, 0, 0] = situation // 251
    key = np.random.default_rng(situation).standard_normal(WIDTH).astype(np.float32)
    return Trace(
        fingerprint(frame), key / np.linalg.norm(key), frame, np.zeros(1, np.float32),
        np.zeros((1, 2), np.int64), action, np.ones(CHOICES, np.bool_),
        np.full(CHOICES, 1 / CHOICES, np.float32), 0.0,
    )  # fmt: skip


def one_visit(seed: int) -> dict[str, float]:
    """Right answers at the second visit of situations that were seen once, with two choices each.

    Which of two is right is drawn by a coin; what is chosen at first is the favourite of a network
    whose opinions are drawn, too. All situations are visited once before any is visited again.
    """
    found = {}
    for name in ("memory", "memory that talks nonsense", "no memory"):
        rng, memory = np.random.default_rng(seed), Hippocampus.open(None, WIDTH)
        right, likings = rng.integers(2, size=VISITED), rng.uniform(0.02, 0.98, VISITED)
        answers = np.zeros((2, VISITED), np.int64)
        for visit, place in itertools.product(range(2), range(VISITED)):
            trace = make_trace(VISITED * seed + place, 0)
            trace.legal_actions = np.arange(CHOICES) < 2
            trace.policy = np.array([likings[place], 1 - likings[place], 0, 0], np.float32)
            told = memory.advise("a", "b", trace.code, trace.key, 0.0, CHOICES).advantage
            if name == "memory that talks nonsense":
                told[:2] = rng.permutation(told[:2])
            policy = trace.policy if name == "no memory" else advise(trace.policy, told, 0.2)
            trace.action = answers[visit, place] = int(policy.argmax())
            result = 1.0 if trace.action == right[place] else -1.0
            memory.remember(Episode("a", "b", result, [trace]), "v")
        found[name] = float((answers[1] == right).mean())
    return found


def spacing(seed: int) -> dict[str, float]:
    """Strength 20 sleeps after the last of four useful recalls, at once or one every five sleeps.

    All are as old in the end as they were then fresh.
    """
    found = {}
    for name, sleeps_between in {"spaced": 5, "massed": 0, "never recalled": None}.items():
        memory = Hippocampus.open(None, WIDTH)
        memory.remember(Episode("a", "b", 1.0, [make_trace(seed, 0)]), "v")
        for _ in range(4 if sleeps_between is not None else 0):
            for _ in range(sleeps_between or 0):
                memory.fade()
            memory.refresh([1])
        for _ in range(20):
            memory.fade()
        (_, stability, fresh), *_ = memory.store.read_fading()
        found[name] = strength(memory.store.sleep_count() - fresh, stability)
    return found


def reversal(seed: int) -> dict[str, float]:
    """Losses in 20 games after the good and the bad action have changed places."""
    found = {}
    for name in ("memory", "memory that learns no more", "no memory"):
        rng, memory = np.random.default_rng(seed), Hippocampus.open(None, WIDTH)
        good, losses = 0, 0
        for number in range(40):
            good = 1 if number >= 20 else 0
            trace = make_trace(seed, 0)
            policy = trace.policy
            if name != "no memory":
                told = memory.advise("a", "b", trace.code, trace.key, 0.0, CHOICES)
                policy = advise(policy, told.advantage, 0.2)
            trace.action = int(rng.choice(CHOICES, p=policy / policy.sum()))
            losses += number >= 20 and trace.action != good
            result = 1.0 if trace.action == good else -1.0
            if number < 20 or name == "memory":
                memory.remember(Episode("a", "b", result, [trace]), "v")
        found[name] = float(losses)
    return found


# Strategies


def repeat_rate(game: Any, agent: LifelongAgent, met: Met, games: int) -> float:
    """How often a known mistake is made again, of the times that it could be."""
    faced = repeated = 0
    for seat, opponent in met:
        for _ in range(games):
            bad = _mistakes(agent, game.variant, opponent.name)
            result = play_game(game, agent, seat, opponent)
            assert agent.episode is not None
            for trace in agent.episode.traces:
                faced += trace.code in bad
                repeated += trace.action in bad.get(trace.code, ())
            agent.end_game(result)
    return repeated / max(faced, 1)


def _mistakes(agent: LifelongAgent, variant: str, opponent: str) -> dict[int, set[int]]:
    bad: dict[int, set[int]] = {}
    for strategy in agent.hippocampus.book.read(variant, opponent):
        if strategy.verdict == "bad":
            bad.setdefault(strategy.code, set()).add(strategy.actions[0])
    return bad


def repeated_mistakes(game: Any, num: int, games: int, seed: int) -> dict[str, float]:
    """Known mistakes made again, by strategies alone and with the hippocampus's advice."""
    met = meet(game, seed, num)
    agents = {
        "strategies alone": is_silent(LifelongAgent.pretrained()),
        "neither": is_heedless(is_silent(LifelongAgent.pretrained())),
        "strategies and advice": LifelongAgent.pretrained(),
        "advice alone": is_heedless(LifelongAgent.pretrained()),
    }
    return {name: repeat_rate(game, agent, met, 2 * games) for name, agent in agents.items()}


def false_strategies(seed: int) -> dict[str, float]:
    """Share of strategies held for good or bad where rewards are thrown by a coin."""
    rng, book = np.random.default_rng(seed), StrategyBook(Hippocampus.open(None, WIDTH).store)
    noted: list[Strategy] = []
    for _ in range(SEEN_IN_ALL):
        opening, action = 3 * int(rng.integers(15)), int(rng.integers(2))
        traces = [make_trace(opening + step, action) for step in range(3)]
        worth = float(rng.choice([-1.0, 1.0]))
        for trace in traces:
            trace.returns = worth * float(rng.uniform(0.8, 1))
        episode = Episode("a", "b", worth, traces)
        strategies = book.summarise(episode)
        ids = book.store.write_game(episode, {}, [s.to_row() for s in strategies], "v")
        book.resolve(strategies, ids)
    noted = book.read("a", "b")
    return {"random rewards": float(np.mean([s.verdict != "undetermined" for s in noted]))}


def after_a_restart(game: Any, num: int, games: int, seed: int) -> dict[str, float]:
    """The first five games after the program was closed: the share not lost."""
    met, network = meet(game, seed, num), LifelongAgent.pretrained().network
    with tempfile.TemporaryDirectory() as folder:
        agent = LifelongAgent.pretrained(Path(folder))
        for who in met:
            for _ in range(games):
                play_live(game, agent, *who)
        agent.close()
        agent = LifelongAgent.pretrained(Path(folder))
        results = [play_live(game, agent, *who) for who in met for _ in range(5)]
        agent.close()
    fresh = LifelongAgent.pretrained()
    return {
        "reopened memory": not_lost(results),
        "fresh memory": not_lost([play_live(game, fresh, *who) for who in met for _ in range(5)]),
        "no memory": not_lost([alone(game, network, *who) for who in met]),
    }


# People


def under_another_name(game: Any, num: int, games: int, seed: int) -> dict[str, float]:
    """The first game against somebody known who gives another name: the share not lost.

    Everybody is met until they have been held twice in a row, or in 3 * `games` games at most.
    """
    met, agent = meet(game, seed, num), LifelongAgent.pretrained()
    for who in met:
        results: list[int] = []
        while len(results) < 3 * games and not (len(results) > 1 and min(results[-2:]) >= 0):
            results.append(play_live(game, agent, *who))
    found = {"under their own name": not_lost([play_game(game, agent, *who) for who in met])}
    unknown = [(seat, disguise(opponent)) for seat, opponent in met]
    found["by their play"] = not_lost([play_game(game, agent, *who) for who in unknown])
    agent._recognise = lambda code: None  # type: ignore[method-assign]
    found["as strangers"] = not_lost([play_game(game, agent, *who) for who in unknown])
    found["no memory"] = not_lost([alone(game, agent.network, *who) for who in met])
    return found


def disguise(opponent: Player) -> Stubborn:
    """The same character under another name."""
    assert isinstance(opponent, Stubborn)
    disguised = Stubborn(opponent.seed)
    disguised.name = "nobody in particular"
    return disguised


def fast_proofs(variant: str, num: int, games: int) -> Proofs:
    """By name: what is asked, and how it is measured."""
    game = envs.make(variant)
    return {
        "one loss teaches (not lost, games 2-4)": (
            "above both controls", lambda seed: one_shot(game, num, seed),
        ),
        "one visit is enough (right at the second)": ("at least 0.9", one_visit),
        "spaced recalls last (strength)": ("spaced above massed", spacing),
        "reversal is learned (losses of 20)": ("below both controls", reversal),
        "known mistakes are repeated (share)": (
            "strategies below neither",
            lambda seed: repeated_mistakes(game, num, games, seed),
        ),
        "false strategies (share)": ("at most 0.05", false_strategies),
        "first five games after a restart (not lost)": (
            "above both controls", lambda seed: after_a_restart(game, num, games, seed),
        ),
        "known under another name (not lost)": (
            "by play above as strangers", lambda seed: under_another_name(game, num, games, seed),
        ),
    }  # fmt: skip
