"""Proofs of the neocortex: what sleep has taught outlives the hippocampus, and costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from fast_memory import Proofs, meet

import envs
from lifelong_agent import Decision, LifelongAgent
from lifelong_agent.lessons import Lessons
from lifelong_agent.policy import DualStreamNetwork
from lifelong_agent.records import AgentObservation
from selfplay.adapt import alone, play_game, play_live, strangers

FAMILIAR = 0.05  # squared distance to the nearest key
NUM_STRANGERS = 40
SLEEP_S = 3.0


class Split(LifelongAgent):
    """Acts from the slow network where a situation is familiar, else from the fast one."""

    _acts: DualStreamNetwork | None = None

    @property
    def awake(self) -> DualStreamNetwork:
        """Whichever `act` has chosen."""
        return self._acts or self.consolidation.cortex.slow

    def act(self, obs: AgentObservation) -> Decision:
        """Look for near keys first."""
        frame = torch.as_tensor(obs["observation"])[None]
        with torch.no_grad():
            key = self.keys(self.network.eyes(frame).reading, frame).numpy()
        near = self.hippocampus.recall(key, 1).distances[0, 0]
        fast, slow = self.consolidation.cortex.networks
        self._acts = slow if near < FAMILIAR else fast
        return super().act(obs)


def teaches_nonsense(agent: LifelongAgent) -> LifelongAgent:
    """In sleep, every recent decision is taught for another action."""
    cortex = agent.consolidation.cortex
    sound: Callable[..., Any] = cortex.consolidate

    def shuffled(recent: Lessons, *args: Any) -> Any:
        wrong = recent.policy.roll(1, 1) * recent.legal_actions
        total = wrong.sum(1, keepdim=True)
        wrong = torch.where(total > 0, wrong / total.clamp_min(1e-6), recent.policy)
        return sound(replace(recent, policy=wrong), *args)

    cortex.consolidate = shuffled  # type: ignore[method-assign, assignment]
    return agent


def live(game: Any, agent: LifelongAgent, met: Any, games: int, sleep_s: float) -> LifelongAgent:
    """Meet everybody, sleeping after each game."""
    for who in met:
        for _ in range(games):
            play_live(game, agent, *who)
            if sleep_s:
                agent.sleep(sleep_s)
    return agent


def score(results: list[int]) -> float:
    """A draw counts half."""
    return float(np.mean(results) + 1) / 2


def without_the_hippocampus(game: Any, num: int, games: int, seed: int) -> dict[str, float]:
    """Score against the opponents of a life, by the network alone, after it."""
    met = meet(game, seed, num)
    slept = live(game, LifelongAgent.pretrained(), met, games, SLEEP_S)
    fooled = teaches_nonsense(LifelongAgent.pretrained())
    live(game, fooled, met, games, SLEEP_S)
    fast, slow = slept.consolidation.cortex.networks
    alone_after = {
        "slow network": slow,
        "fast network": fast,
        "sleep that teaches nonsense": fooled.awake,
        "no sleep": slept.network,
    }
    found = {
        name: score([alone(game, network, *who) for who in met])
        for name, network in alone_after.items()
    }
    found["with the hippocampus"] = score([play_game(game, slept, *who) for who in met])
    gain = found["with the hippocampus"] - found["no sleep"]
    found["share of the gain that survives"] = (found["slow network"] - found["no sleep"]) / gain
    return found


def skill_elsewhere(game: Any, num: int, games: int, seed: int) -> dict[str, float]:
    """Score against strangers after a life with others."""
    met, unmet = meet(game, seed, num), list(strangers(seed, NUM_STRANGERS))
    slept = live(game, LifelongAgent.pretrained(), met, games, SLEEP_S)
    split = Split(slept.network, None, slept.keys)
    split.hippocampus, split.consolidation = slept.hippocampus, slept.consolidation
    fast, slow = slept.consolidation.cortex.networks
    found = {
        "slow network": slow,
        "fast network": fast,
        "shipped network": slept.network,
    }
    scores = {
        name: score([alone(game, network, *who) for who in unmet])
        for name, network in found.items()
    }
    scores["agent, slow network acts"] = score([play_game(game, slept, *who) for who in unmet])
    scores["agent, slow where familiar"] = score([play_game(game, split, *who) for who in unmet])
    return scores


def slow_proofs(variant: str, num: int, games: int) -> Proofs:
    """By name: what is asked, and how it is measured."""
    game = envs.make(variant)
    return {
        "what sleep taught outlives the hippocampus (score)": (
            "share at least 0.7", lambda seed: without_the_hippocampus(game, num, games, seed),
        ),
        "strangers after a life with others (score)": (
            "no less than shipped", lambda seed: skill_elsewhere(game, num, games, seed),
        ),
    }  # fmt: skip
