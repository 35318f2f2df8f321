"""How strong a network is by itself: ladders of scripted players, and positions solved exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator

import envs
from envs import Game, legal_of
from lifelong_agent.experience import Observation
from lifelong_agent.policy import DualStreamNetwork
from lifelong_agent.weights import load_network, trained_games
from selfplay.cli import progress_bar
from selfplay.match import play_match
from selfplay.measure import Row
from selfplay.players import NetworkPlayer, make_scripted

POSITIONS = Path(__file__).parent / "data" / "connect-positions.json"
LADDERS = {
    "connect": ("random", "connect/one_ply", "connect/negamax-2", "connect/negamax-4"),
    "tron": ("random", "tron/wall_hugger", "tron/voronoi"),
    "volley": ("random", "volley/tracker", "volley/predictor"),
}


def bench_strength(
    directory: Path, device: torch.device, seed: int, games: int, variants: list[str]
) -> list[Row]:
    """The bare policy (memory off, greedy) against the ladders of the games that it has learned.

    Args:
        directory: of the network.
        device: to play on.
        seed: of all chance.
        games: matches against each player; even.
        variants: the games; those that it has not learned are left out.

    Raises:
        ValueError: if it has learned none of them.

    Returns:
        A score for each player; in volley also the points won minus lost in a match; in connect
        also the share of decisive positions whose outcome is kept.
    """
    network = load_network(directory, device)
    known = trained_games(directory)
    learned = [name for name in variants if name in known]
    if not learned:
        raise ValueError(f"{directory} has learned none of {', '.join(variants)}")
    meetings = [(game, who) for name in learned for game, who in ladder(name, device)]
    rows = []
    with progress_bar("climbing", len(meetings) * games, "games") as tell:
        for done, (game, opponent) in enumerate(meetings):
            players = (NetworkPlayer(network, "agent", greedy=True), make_scripted(opponent))
            generator = Generator(device).manual_seed(seed)
            what = f"{game.variant} against {opponent}"
            told = partial(_tell_beyond, tell, done * games, what)
            result = play_match(game, players, games, generator, told)
            rows.append(Row(f"{what}, {games} games", result.total.score, "score"))
            if game.name == "volley":
                rows.append(Row(what, result.points.mean, "points a match"))
    if "connect" in learned:
        share, chance = value_keeping(network, device)
        rows.append(Row("decisive positions kept", share, "share", "random legal move", chance))
    return rows


def ladder(variant: str, device: torch.device) -> list[tuple[Game[Any], str]]:
    """A game with each of the scripted players of its ladder."""
    game = envs.make(variant, device)
    return [(game, opponent) for opponent in LADDERS[game.name]]


def _tell_beyond(tell: Callable[[int, str], None], before: int, what: str, done: int) -> None:
    tell(before + done, what)


def value_keeping(network: DualStreamNetwork, device: torch.device) -> tuple[float, float]:
    """On positions whose legal moves differ in sign: the share of value-keeping choices.

    Returns:
        The greedy network's share, and that expected of a random legal move.
    """
    game = envs.make("connect", device)
    generator = Generator(device)
    observations, keeps = [], []
    for position in json.loads(POSITIONS.read_text())["positions"]:
        scores = [None if s is None else (s > 0) - (s < 0) for s in position["scores"]]
        signs = [s for s in scores if s is not None]
        if len(set(signs)) < 2:
            continue
        state = game.init(1, generator)
        for column in position["moves"]:
            state = game.step(state, torch.full((1, 2), int(column), device=device), generator)
        observations.append(
            Observation(game.frame(state, state.seat), legal_of(state, state.seat), state.seat)
        )
        keeps.append([s == max(signs) if s is not None else None for s in scores])
    frames = torch.cat([o.frames for o in observations])
    legal = torch.cat([o.legal_actions for o in observations])
    with torch.no_grad():
        thought = network(frames, legal, network.initial_state(len(frames)))
    chosen = thought.log_probs.argmax(1).tolist()
    kept = [bool(keep[column]) for keep, column in zip(keeps, chosen, strict=True)]
    chances = [np.mean([k for k in keep if k is not None]) for keep in keeps]
    return float(np.mean(kept)), float(np.mean(chances))
