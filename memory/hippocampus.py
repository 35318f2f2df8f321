"""The fast memory: what happened, found again by likeness, and what it taught, by situation.

SQLite (`memory.store`) is the truth; the FAISS index and the table of answers are caches rebuilt
from it when a memory is opened. It advises a policy but is no policy, and it trains no network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from memory.advice import AdviceConfig, advantages
from memory.credit import Answer, CreditConfig, blend, reverse_replay
from memory.forgetting import (
    ForgettingConfig,
    first_stability,
    stability_after_recall,
    weakest,
)
from memory.index import KeyIndex
from memory.rehearsal import Rehearsal, agreement
from memory.store import Store
from memory.strategies import Strategy, StrategyBook
from memory.traces import Episode, Floats

EVERYONE = ""
Belief = tuple[str, str, int, int]  # game, opponent, code, action


@dataclass(frozen=True)
class Recall:
    """The nearest traces of B queries.

    Attributes:
        ids: (B, K) int64, -1 where nothing is.
        distances: (B, K) float32 squared, in [0, 4], ascending; +inf where nothing is.
    """

    ids: npt.NDArray[np.int64]
    distances: Floats


@dataclass(frozen=True)
class Recalled:
    """One memory that spoke up.

    Attributes:
        trace_id: its id in the store.
        action: what was done then.
        value: what it turned out to be worth, in [-1, 1].
        similarity: 1 for the same situation, towards 0 for a distant one.
        opponent: against whom.
    """

    trace_id: int
    action: int
    value: float
    similarity: float
    opponent: str


@dataclass(frozen=True)
class Advice:
    """What memory says of one situation.

    Attributes:
        advantage: (A,) float32, bounded Q - V per action; 0 where memory is silent.
        recalled: the memories that spoke.
    """

    advantage: Floats
    recalled: tuple[Recalled, ...]


@dataclass(frozen=True)
class Note:
    """What the index knows of a trace without asking the disk."""

    code: int
    action: int
    returns: float
    opponent: str
    game: str


class Hippocampus:
    """An episodic memory.

    Args:
        store: where it lives.
        key_size: D.
        advice: how loudly it speaks.
        credit: how outcomes flow back.
        forgetting: how traces fade, and how many are kept.

    Raises:
        ValueError: if the stored keys have another width.
    """

    def __init__(
        self,
        store: Store,
        key_size: int,
        advice: AdviceConfig | None = None,
        credit: CreditConfig | None = None,
        forgetting: ForgettingConfig | None = None,
    ) -> None:
        self.store, self.key_size = store, key_size
        self.advice_config = advice or AdviceConfig()
        self.credit_config = credit or CreditConfig()
        self.book = StrategyBook(store)
        self.forgetting_config = forgetting or ForgettingConfig()
        self._index = KeyIndex(key_size)
        self._notes: dict[int, Note] = {}
        self._answers: dict[tuple[str, str, int], dict[int, Answer]] = {}
        self._rebuild()

    @staticmethod
    def open(
        directory: Path | None, key_size: int, forgetting: ForgettingConfig | None = None
    ) -> Hippocampus:
        """The memory in a folder (made if missing), or in RAM."""
        store = Store(directory)
        try:
            return Hippocampus(store, key_size, forgetting=forgetting)
        except BaseException:
            store.close()
            raise

    def _rebuild(self) -> None:
        ids, keys = self.store.read_keys()
        if ids:
            if keys.shape[1] != self.key_size:
                raise ValueError(
                    f"the memory's keys have {keys.shape[1]} numbers, this agent's "
                    f"{self.key_size}: it belongs to another agent"
                )
            self._index.add(ids, keys)
        query = (
            "SELECT t.id, t.code, t.action, t.returns, g.opponent, g.game FROM traces t "
            "JOIN games g ON g.id = t.game_id"
        )
        for trace_id, *note in self.store.connection.execute(query):
            self._notes[trace_id] = Note(*note)
        for game, opponent, code, action, answer in self.store.read_answers():
            self._answers.setdefault((game, opponent, code), {})[action] = answer

    def __len__(self) -> int:
        return len(self._notes)

    def recall(self, queries: Floats, k: int) -> Recall:
        """Find the k stored traces nearest to each query.

        Args:
            queries: (B, D) float32, unit length.
            k: neighbours wanted, at least 1.

        Returns:
            Recall of (B, k) ids and squared distances.

        Raises:
            ValueError: if D differs from the memory's, k < 1, or a query is not finite.

        Source: model-free episodic control, arXiv:1606.04460, section 2.
        """
        if queries.ndim != 2 or queries.shape[1] != self.key_size or k < 1:
            raise ValueError(f"wanted (B, {self.key_size}) queries and k >= 1")
        if not np.isfinite(queries).all():
            raise ValueError("a query holds NaN or infinity")
        distances, ids = self._index.search(queries, k)
        distances[ids < 0] = np.inf
        return Recall(ids, distances)

    def answers(self, game: str, opponent: str, code: int) -> dict[int, Answer]:
        """What is believed of the actions in a situation against one opponent."""
        return self._answers.get((game, opponent, code), {})

    def advise(
        self, game: str, opponent: str, code: int, key: Floats, value: float, num_actions: int,
        alike: str | None = None,
    ) -> Advice:  # fmt: skip
        """Speak up about one situation.

        What was learned against this very opponent counts in full; of actions that are new with
        them, what was learned against one who plays alike counts nearly as much, and what was
        learned against others in part; if the situation itself is new, its nearest neighbours
        whisper. An action that is known to win is not given up for a hope, whatever network hopes.

        Args:
            game: the variant.
            opponent: who is on the other side.
            code: fingerprint of the frame.
            key: (D,) float32, unit length.
            value: the critic's expectation.
            num_actions: A.
            alike: whom this opponent plays like, if that is known.
        """
        config = self.advice_config
        own = self.answers(game, opponent, code)
        shared = self.answers(game, EVERYONE, code)
        best = max((answer.value for answer in own.values()), default=0.0)
        if best > config.win:
            value = min(value, best - config.certainty)
        like = {} if alike is None else self.answers(game, alike, code)
        advice = np.zeros(num_actions, np.float32)
        for weight, answers in ((config.shared, shared), (config.alike, like), (1.0, own)):
            met = list(answers)
            said = advantages(answers, value, config.bound, num_actions)
            advice[met] = weight * said[met]
        if own or shared:
            return Advice(advice, self._exact_memories(game, opponent, code))
        return self._whisper(game, key, value, num_actions)

    def _exact_memories(self, game: str, opponent: str, code: int) -> tuple[Recalled, ...]:
        own = self.answers(game, opponent, code)
        who = opponent if own else EVERYONE
        return tuple(
            Recalled(-1, action, answer.value, 1.0, who)
            for action, answer in self.answers(game, who, code).items()
        )

    def _whisper(self, game: str, key: Floats, value: float, num_actions: int) -> Advice:
        config = self.advice_config
        recall = self.recall(key[None], config.neighbours)
        total, weight_sum = np.zeros((2, num_actions), np.float32)
        recalled = []
        for trace_id, distance in zip(recall.ids[0], recall.distances[0], strict=True):
            note = self._notes.get(int(trace_id))
            weight = float(np.exp(-distance / config.reach))
            if note is None or note.game != game or weight < 0.01:
                continue
            gain = np.clip(note.returns - value, -config.bound, config.bound)
            total[note.action] += weight * gain
            weight_sum[note.action] += weight
            recalled.append(
                Recalled(int(trace_id), note.action, note.returns, weight, note.opponent)
            )
        mean = total / np.maximum(weight_sum, 1)
        return Advice(config.neighbour * mean.astype(np.float32), tuple(recalled))

    def remember(self, episode: Episode, encoder: str) -> list[Strategy]:
        """Learn from a finished game and store it, all in one transaction.

        Args:
            episode: the game; its traces' `returns` are set by reverse replay.
            encoder: version of the network that made the keys.

        Returns:
            The strategies that the game gave evidence for.

        Raises:
            ValueError: for a key that is not finite or of the wrong width, or if the store
                cannot be written; then nothing has changed.
        """
        for trace in episode.traces:
            if trace.key.shape != (self.key_size,) or not np.isfinite(trace.key).all():
                raise ValueError(f"a key must be {self.key_size} finite numbers")
        self._make_room(len(episode.traces))
        taught = self._teach(episode)
        self._set_stability(episode)
        strategies = self.book.summarise(episode)
        ids = self.store.write_game(episode, taught, [s.to_row() for s in strategies], encoder)
        self._believe(episode.game, taught)
        self._note(ids, episode)
        return self.book.resolve(strategies, ids)

    def _teach(self, episode: Episode) -> dict[tuple[str, int, int], Answer]:
        answers = reverse_replay(
            episode,
            lambda trace: self.answers(episode.game, episode.opponent, trace.code),
            self.credit_config,
        )
        taught: dict[tuple[str, int, int], Answer] = {}
        for trace, answer in zip(episode.traces, answers, strict=True):
            taught[episode.opponent, trace.code, trace.action] = answer
            shared = self.answers(episode.game, EVERYONE, trace.code).get(trace.action)
            taught[EVERYONE, trace.code, trace.action] = blend(shared, trace.returns, 0.2)
        return taught

    def _believe(self, game: str, taught: dict[tuple[str, int, int], Answer]) -> None:
        for (opponent, code, action), answer in taught.items():
            self._answers.setdefault((game, opponent, code), {})[action] = answer

    def _note(self, ids: list[int], episode: Episode) -> None:
        if not ids:
            return
        keys = np.stack([trace.key for trace in episode.traces])
        self._index.add(ids, keys.astype(np.float16).astype(np.float32))  # as they are stored
        for trace_id, trace in zip(ids, episode.traces, strict=True):
            self._notes[trace_id] = Note(
                trace.code, trace.action, trace.returns, episode.opponent, episode.game
            )

    def _set_stability(self, episode: Episode) -> None:
        sleeps = self.store.sleep_count()
        for trace in episode.traces:
            is_new = (episode.game, EVERYONE, trace.code) not in self._answers
            trace.stability = first_stability(trace.advantage, is_new, self.forgetting_config)
            trace.refreshed = sleeps

    def refresh(self, ids: Iterable[int]) -> None:
        """Recalls of these traces were useful: they are fresh again, and fade more slowly.

        Raises:
            ValueError: if it cannot be written; nothing has changed then.
        """
        wanted, sleeps = set(ids), self.store.sleep_count()
        self.store.write_stability(
            {
                int(i): stability_after_recall(tau, sleeps - fresh, self.forgetting_config)
                for i, tau, fresh in self.store.read_fading()
                if int(i) in wanted
            }
        )

    def fade(self) -> int:
        """A sleep passes: every trace fades, and the weakest leave if the memory is nearly full.

        Returns:
            How many left.

        Raises:
            ValueError: if it cannot be written.
        """
        config = self.forgetting_config
        left = self._make_room(int(config.slack * config.capacity_traces))
        self.store.note_sleep(left)
        return left

    def _make_room(self, wanted: int) -> int:
        config = self.forgetting_config
        if wanted > config.capacity_traces:
            raise ValueError(
                f"a game of {wanted} decisions does not fit into a memory of "
                f"{config.capacity_traces} traces"
            )
        excess = len(self) + wanted - config.capacity_traces
        if excess <= 0:
            return 0
        leave = min(len(self), excess + int(config.slack * config.capacity_traces))
        ids, stabilities, fresh = self.store.read_fading().T
        ages = self.store.sleep_count() - fresh
        self._forget(weakest(ids.astype(np.int64), ages, stabilities, leave))
        return leave

    def _forget(self, ids: npt.NDArray[np.int64]) -> None:
        """Traces leave, and beliefs about situations of which no trace is left."""
        leaving = set(ids.tolist())
        gone, kept = set[Belief](), set[Belief]()
        for trace_id, note in self._notes.items():
            place = (note.game, note.opponent, note.code, note.action)
            beliefs = gone if trace_id in leaving else kept
            beliefs |= {place, (note.game, EVERYONE, note.code, note.action)}
        self.store.forget(ids.tolist(), [(b[0], b[1:]) for b in gone - kept])
        self._index.remove(ids)
        for trace_id in leaving:
            del self._notes[trace_id]
        for game, opponent, code, action in gone - kept:
            self._answers.get((game, opponent, code), {}).pop(action, None)
            if not self._answers.get((game, opponent, code), True):
                del self._answers[game, opponent, code]

    def check_valid(self) -> None:
        """Compare the index with the store.

        Raises:
            ValueError: saying in what they differ.
        """
        ids, keys = self.store.read_keys()
        indexed = self._index.contents()
        if not set(ids) == indexed.keys() == self._index.ids_in_search() == self._notes.keys():
            raise ValueError("the index and the store hold different traces")
        if any(not np.array_equal(indexed[i], key) for i, key in zip(ids, keys, strict=True)):
            raise ValueError("a key in the index is not the one in the store")

    def rehearse(self, game: str, opponent: str) -> Rehearsal:
        """Replay all games against one opponent, oldest first; changes nothing by itself."""
        episodes = list(self.store.read_episodes(game, opponent))
        beliefs = {
            trace.code: dict(self.answers(game, opponent, trace.code))
            for episode in episodes
            for trace in episode.traces
        }
        before = agreement(episodes, beliefs)
        for episode in episodes:
            answers = reverse_replay(episode, lambda t: beliefs[t.code], self.credit_config)
            for trace, answer in zip(episode.traces, answers, strict=True):
                beliefs[trace.code][trace.action] = answer
        return Rehearsal(len(episodes), beliefs, before, agreement(episodes, beliefs))

    def adopt(self, game: str, opponent: str, beliefs: dict[int, dict[int, Answer]]) -> None:
        """Make the outcome of a rehearsal the memory's own, durably."""
        taught = {
            (opponent, code, action): answer
            for code, answers in beliefs.items()
            for action, answer in answers.items()
        }
        self.store.write_answers(game, taught)
        self._believe(game, taught)
