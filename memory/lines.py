"""Lines: the games against one opponent as a tree, and which way through it to go next.

Whoever answers alike every time is beaten by search: a line that was not lost is played again; if
all were lost, the next game leaves them where it most probably is not too late, with an action
that was never tried there. So no line is lost twice, and whoever can be beaten is beaten in the
end. A cache of the store; it keeps nothing of its own, knows no game, and chooses nothing where
the opponent answers in another way than before.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.store import Store
from memory.traces import Episode, Floats

Codes = npt.NDArray[np.int64]
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class LinesConfig:
    """Where to leave a line that was lost.

    Liking and doubt are what a logistic fit to 730 random branches of lost games gave, in `connect`
    and `tron` alike (docs/memory.md): to be early and the critic's opinion count in full, the
    network's liking hardly at all.

    Attributes:
        liking: how much the network's own opinion of an action counts beside being early, per nat;
        doubt: how much the critic's opinion of the situation does.
        patience: games lost, after which more is tried than what is promising.
        opening: share of a game's decisions, rounded up, that is its opening.
        floor: least probability that an action is taken to have.
        trust: share of the opponent's answers along a line that have to have been the same, all
            of them together, for it to be gone again.
        share: least probability that is given to the action of the way.
        most: games against one opponent that are looked at, the latest.
    """

    liking: float = 0.07
    doubt: float = 1.0
    patience: int = 2
    opening: float = 0.1
    floor: float = 1e-4
    trust: float = 0.5
    share: float = 0.98
    most: int = 128


@dataclass(frozen=True)
class Line:
    """One finished game of T decisions.

    Attributes:
        result: in [-1, 1].
        codes: (T,) int64 fingerprints of the situations.
        actions: (T,) int64, what was done.
        policy: (T, A) float16 probabilities of the network alone, 0 where illegal and only there.
        values: (T,) float16, the critic's expectations.
    """

    result: float
    codes: Codes
    actions: npt.NDArray[np.int64]
    policy: npt.NDArray[np.float16]
    values: npt.NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.codes)

    def begins(self, played: Sequence[tuple[int, int]]) -> bool:
        """Whether it went on after these situations and actions."""
        steps = zip(self.codes.tolist(), self.actions.tolist(), strict=True)
        return len(self) > len(played) and list(islice(steps, len(played))) == list(played)

    def after(self, ply: int) -> Line:
        """What followed upon its first `ply` decisions."""
        rest = (self.codes[ply:], self.actions[ply:], self.policy[ply:], self.values[ply:])
        return Line(self.result, *rest)

    def shared(self, other: Line) -> int:
        """How many situations two games have in common from the start, each reached alike."""
        most = min(len(self), len(other))
        codes = self.codes[:most] == other.codes[:most]
        both = codes & np.append(True, self.actions[: most - 1] == other.actions[: most - 1])
        return most if both.all() else int(both.argmin())


@dataclass(frozen=True)
class Way:
    """What is to be done, decision by decision, as long as the opponent answers as foreseen.

    Attributes:
        codes: the situations, in order.
        actions: what to do in each.
        is_trial: whether its last action is tried for the first time.
    """

    codes: tuple[int, ...] = ()
    actions: tuple[int, ...] = ()
    is_trial: bool = False

    def action(self, ply: int, code: int) -> int | None:
        """What to do in the decision `ply`, if the situation is the one foreseen."""
        foreseen = ply < len(self.codes) and self.codes[ply] == code
        return self.actions[ply] if foreseen else None


NO_WAY = Way()


def choose_way(lines: Collection[Line], config: LinesConfig, earlier: int = 0) -> Way:
    """The latest of the best lines that were not lost, or a new branch of the lost ones.

    Args:
        lines: the games against one opponent that began with the same situation, oldest first.
        config: the knobs.
        earlier: how many such games are known of that are no longer looked at.
    """
    sure = [line for line in lines if _trust(line, lines) >= config.trust]
    best = max((line.result for line in sure), default=-1.0)
    if best >= 0:
        line = [line for line in sure if line.result == best][-1]
        return Way(tuple(line.codes.tolist()), tuple(line.actions.tolist()))
    return _branch(sure, lines, config, earlier)


Tried = dict[int, set[int]]
"""By situation, the actions that were tried."""


def _branch(
    sure: Sequence[Line], lines: Collection[Line], config: LinesConfig, earlier: int
) -> Way:
    """Leave a lost line with an action that was never tried there.

    Where that is most promising, in any of them. From the `patience`-th lost game on it may be that
    no one knows what is promising: then every other time anything is tried in the opening of the
    first game, and every fourth time the longest is left anywhere. To be most promising finds the
    one mistake of a game; another opening, what nobody would have thought of; and the longest game
    becomes better little by little where there is no mistake, as in a race for who lasts longer.
    """
    tried: Tried = {}
    for line in lines:
        for code, action in zip(line.codes.tolist(), line.actions.tolist(), strict=True):
            tried.setdefault(code, set()).add(action)
    way, num = NO_WAY, earlier + len(lines)
    if sure and num >= config.patience:
        if num % 2 == 0:
            way = _open_otherwise(sure[0], tried, num // 2, config)
        elif num % 4 == 1:
            way = _climb(max(reversed(sure), key=len), tried, num, config)
    return _most_promising(sure, lines, tried, config) if way is NO_WAY else way


def _most_promising(
    sure: Sequence[Line], lines: Collection[Line], tried: Tried, config: LinesConfig
) -> Way:
    """The most promising untried action of all lines."""
    best, way = -np.inf, NO_WAY
    for line in sure:
        scores = promise(line, lines, config)
        for ply, code in enumerate(line.codes.tolist()):
            scores[ply, list(tried[code])] = -np.inf
        ply, action = divmod(int(scores.argmax()), scores.shape[1])
        if scores[ply, action] > best:
            best, way = scores[ply, action], _leave(line, ply, action)
    return way


def _open_otherwise(line: Line, tried: Tried, number: int, config: LinesConfig) -> Way:
    """Any untried action in the first decisions of a line, all of them alike."""
    weights = (line.policy > 0).astype(np.float64)
    weights[math.ceil(config.opening * len(line)) :] = 0
    return _drawn(line, weights, tried, number)


def _climb(line: Line, tried: Tried, number: int, config: LinesConfig) -> Way:
    """Any untried action of a line, more often one that the network likes: by sqrt(policy)."""
    weights = np.sqrt(np.maximum(line.policy.astype(np.float64), config.floor))
    weights[line.policy <= 0] = 0
    return _drawn(line, weights, tried, number)


def _drawn(line: Line, weights: npt.NDArray[np.float64], tried: Tried, number: int) -> Way:
    """Leave a line with an untried action, drawn by (T, A) weights; no way if there is none.

    By the golden ratio's multiples, which spread evenly over all that there is without ever coming
    together; `number` is that of the draw.
    """
    for ply, code in enumerate(line.codes.tolist()):
        weights[ply, list(tried[code])] = 0
    heaped = weights.cumsum()
    if not heaped[-1]:
        return NO_WAY
    place = int(np.searchsorted(heaped, number * GOLDEN % 1 * heaped[-1], side="right"))
    return _leave(line, *divmod(place, weights.shape[1]))


def _leave(line: Line, ply: int, action: int) -> Way:
    """The line up to a decision, and another action there."""
    codes, actions = line.codes[: ply + 1].tolist(), line.actions[:ply].tolist()
    return Way(tuple(codes), (*actions, action), is_trial=True)


def promise(line: Line, lines: Collection[Line], config: LinesConfig) -> npt.NDArray[np.float64]:
    """How promising it is to do something else in a decision of a lost line.

    The mistake is as likely in one decision as in another, so after a share x of a game it is
    still to come with probability 1 - x; several games through one situation are independent
    witnesses. The critic's expectation V in the situation says what it thinks of that chance.

    promise(t, a) = sum of log(1 - t / T) over the lost games of T decisions through the situation,
    plus doubt * log((1 + V) / 2), plus liking * log max(policy(a), floor).

    Args:
        line: a lost game of T decisions.
        lines: all games against the same opponent that began alike, this one among them.
        config: the knobs.

    Returns:
        (T, A) float64, -inf where an action is illegal.
    """
    hope = config.doubt * np.log(np.clip((1 + line.values.astype(np.float64)) / 2, 0.01, 1))
    for other in lines:
        if other.result < 0:
            through = np.arange(line.shared(other))
            hope[through] += np.log1p(-through / len(other))
    likings = np.log(np.maximum(line.policy.astype(np.float64), config.floor))
    return np.where(line.policy > 0, config.liking * likings + hope[:, None], -np.inf)


def _trust(line: Line, lines: Collection[Line]) -> float:
    """Product over a line of the share of games that went on as it did, of those that came by.

    A game that was over where this one went on was answered in another way, too, and so was one
    that went on where this one was over, or ended there with another result.
    """
    shared = np.array([line.shared(other) for other in lines])
    left, same = Counter[int](), 0
    for ply, other in zip(shared.tolist(), lines, strict=True):
        if line.actions[ply - 1] == other.actions[ply - 1]:  # it was not the agent who left
            if ply == len(line) == len(other) and line.result == other.result:
                same += 1
            else:
                left[ply] += 1
    went = {ply: int((shared > ply).sum()) if ply < len(line) else same for ply in left}
    return float(np.prod([went[ply] / (went[ply] + others) for ply, others in left.items()]))


class Lines:
    """The latest games against everybody.

    Args:
        store: the memory.
        config: the knobs.
    """

    def __init__(self, store: Store, config: LinesConfig | None = None) -> None:
        self.store, self.config = store, config or LinesConfig()
        self._played: dict[tuple[str, str], deque[Line]] = {}
        self._dropped = Counter[tuple[str, str, int]]()  # by first situation; since opened

    def way(self, game: str, opponent: str, first: int) -> Way:
        """Where to go in a game against somebody that begins with the situation `first`.

        How a game begins, on which seat and by which chance, is not for the agent to choose: games
        that began otherwise say nothing of this one.
        """
        began = [line for line in self._of(game, opponent) if line.codes[0] == first]
        return choose_way(began, self.config, self._dropped[game, opponent, first])

    def way_on(self, game: str, opponent: str, played: Sequence[tuple[int, int]], code: int) -> Way:
        """Where to go on in a game against somebody who turns out to be known.

        Args:
            game: the variant.
            opponent: whom they play like.
            played: situation and action of every decision of this game so far.
            code: the situation that followed.
        """
        began = [
            line.after(len(played)) for line in self._of(game, opponent) if line.begins(played)
        ]
        earlier = self._dropped[game, opponent, played[0][0] if played else code]
        way = choose_way([line for line in began if line.codes[0] == code], self.config, earlier)
        codes, actions = (tuple(part) for part in zip(*played, strict=True)) if played else ((), ())
        return Way((*codes, *way.codes), (*actions, *way.actions), way.is_trial)

    def knows(self, game: str, opponent: str) -> bool:
        """Whether there is any game against them."""
        return bool(self._of(game, opponent))

    def _of(self, game: str, opponent: str) -> deque[Line]:
        if (game, opponent) not in self._played:
            self._played[game, opponent] = deque(self._read(game, opponent), self.config.most)
        return self._played[game, opponent]

    def note(self, episode: Episode) -> None:
        """A game was finished and stored; it stays known here when its traces leave the store."""
        who = episode.game, episode.opponent
        known = self._played.get(who)
        if known is not None and episode.traces:
            if len(known) == known.maxlen:
                self._dropped[*who, int(known[0].codes[0])] += 1
            known.append(line_of(episode))

    def _read(self, game: str, opponent: str) -> list[Line]:
        """The latest games of which nothing was forgotten, oldest first."""
        query = (
            "SELECT g.id, g.result, g.plies, t.code, t.action, t.legal_actions, t.policy, t.value "
            "FROM (SELECT * FROM games WHERE game = ? AND opponent = ? ORDER BY id DESC LIMIT ?) g "
            "JOIN traces t ON t.game_id = g.id ORDER BY g.id, t.ply"
        )
        rows = self.store.connection.execute(query, (game, opponent, self.config.most))
        games = [list(steps) for _, steps in groupby(rows, key=itemgetter(0))]
        return [_line_of_rows(steps) for steps in games if len(steps) == steps[0][2]]


def _line_of_rows(steps: list[tuple[Any, ...]]) -> Line:
    _, (result, *_), _, codes, actions, legal, policies, values = zip(*steps, strict=True)
    policy = np.array([np.frombuffer(row, "<f2") for row in policies], np.float32)
    masks = np.array(legal, np.int64)[:, None] >> np.arange(policy.shape[1]) & 1
    return _line(result, codes, actions, masks.astype(np.bool_), policy, values)


def line_of(episode: Episode) -> Line:
    """What is needed of a game."""
    traces = episode.traces
    return _line(
        episode.result,
        [trace.code for trace in traces],
        [trace.action for trace in traces],
        np.array([trace.legal_actions for trace in traces]),
        np.array([trace.policy for trace in traces]),
        [trace.value for trace in traces],
    )


def _line(
    result: float, codes: Sequence[int], actions: Sequence[int], legal: npt.NDArray[np.bool_],
    policy: Floats, values: Sequence[float],
) -> Line:  # fmt: skip
    likely = np.maximum(policy, np.finfo(np.float16).tiny)  # legal, however improbable
    return Line(
        result, np.array(codes, np.int64), np.array(actions, np.int64),
        np.where(legal, likely, 0).astype(np.float16), np.array(values, np.float16),
    )  # fmt: skip


def take(policy: Floats, action: int, share: float) -> Floats:
    """(A,) probabilities with at least `share` for an action, the others in proportion."""
    if policy[action] >= share:
        return policy
    rest = policy.copy()
    rest[action] = 0
    total = rest.sum()
    bent: Floats = rest * ((1 - share) / total) if total > 0 else rest
    bent[action] = share if total > 0 else 1.0
    return bent
