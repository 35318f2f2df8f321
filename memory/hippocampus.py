"""The fast memory: what happened, found again by likeness, and what it taught, by situation.

SQLite (`memory.store`) is the truth; the FAISS index and the table of answers are caches rebuilt
from it when a memory is opened. It advises a policy but is no policy, and it trains no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from memory.advice import AdviceConfig, advantages
from memory.credit import Answer, CreditConfig, blend, reverse_replay
from memory.store import Store
from memory.strategies import Strategy, StrategyBook
from memory.traces import Episode, Floats

EVERYONE = ""


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

    Raises:
        ValueError: if the stored keys have another width.
    """

    def __init__(
        self,
        store: Store,
        key_size: int,
        advice: AdviceConfig | None = None,
        credit: CreditConfig | None = None,
    ) -> None:
        self.store, self.key_size = store, key_size
        self.advice_config = advice or AdviceConfig()
        self.credit_config = credit or CreditConfig()
        self.book = StrategyBook(store)
        self._index = faiss.IndexIDMap2(faiss.IndexFlatL2(key_size))
        self._notes: dict[int, Note] = {}
        self._answers: dict[tuple[str, str, int], dict[int, Answer]] = {}
        self._rebuild()

    @staticmethod
    def open(directory: Path | None, key_size: int) -> Hippocampus:
        """The memory in a folder (made if missing), or in RAM."""
        store = Store(directory)
        try:
            return Hippocampus(store, key_size)
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
            self._index.add_with_ids(keys, np.array(ids, np.int64))
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
        faiss.omp_set_num_threads(1)
        distances, ids = self._index.search(np.ascontiguousarray(queries, np.float32), k)
        distances[ids < 0] = np.inf
        return Recall(ids, distances)

    def answers(self, game: str, opponent: str, code: int) -> dict[int, Answer]:
        """What is believed of the actions in a situation against one opponent."""
        return self._answers.get((game, opponent, code), {})

    def advise(
        self, game: str, opponent: str, code: int, key: Floats, value: float, num_actions: int
    ) -> Advice:
        """Speak up about one situation.

        What was learned against this very opponent counts in full; of actions that are new with
        them, what was learned against others counts in part; if the situation itself is new,
        its nearest neighbours whisper.

        Args:
            game: the variant.
            opponent: who is on the other side.
            code: fingerprint of the frame.
            key: (D,) float32, unit length.
            value: the critic's expectation.
            num_actions: A.
        """
        config = self.advice_config
        own = self.answers(game, opponent, code)
        shared = self.answers(game, EVERYONE, code)
        advice = config.shared * advantages(shared, value, config.bound, num_actions)
        for action, answer in own.items():
            advice[action] = np.clip(answer.value - value, -config.bound, config.bound)
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
        taught = self._teach(episode)
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
        self._index.add_with_ids(keys, np.array(ids, np.int64))
        for trace_id, trace in zip(ids, episode.traces, strict=True):
            self._notes[trace_id] = Note(
                trace.code, trace.action, trace.returns, episode.opponent, episode.game
            )

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


@dataclass(frozen=True)
class Rehearsal:
    """What replaying the games against one opponent would change.

    Attributes:
        games: how many were replayed.
        beliefs: situation to action to answer, as they would become.
        before: share of the decisions in games not lost that memory would take again, now.
        after: the same with the new beliefs.
    """

    games: int
    beliefs: dict[int, dict[int, Answer]]
    before: float
    after: float


def agreement(episodes: list[Episode], beliefs: dict[int, dict[int, Answer]]) -> float:
    """Share of decisions in games not lost whose action is the best believed one; 1 if none."""
    verdicts = []
    for episode in episodes:
        if episode.result >= 0:
            for trace in episode.traces:
                answers = beliefs[trace.code]
                best = max(answers, key=lambda a: answers[a].value, default=-1)
                verdicts.append(best == trace.action)
    return sum(verdicts) / len(verdicts) if verdicts else 1.0
