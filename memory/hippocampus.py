"""The fast memory: what happened, found again by likeness, and what it taught, by situation.

SQLite (`memory.store`) is the truth; the FAISS index and the table of answers are caches rebuilt
from it when a memory is opened. It advises a policy but is no policy, and it trains no network.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from memory.advice import AdviceConfig, advantages
from memory.beliefs import EVERYONE, Belief, Beliefs, both
from memory.credit import Answer, CreditConfig, blend, reverse_replay
from memory.forgetting import (
    ForgettingConfig,
    first_stability,
    stability_after_recall,
    weakest,
)
from memory.index import KeyIndex
from memory.recollection import Advice, Note, Recall
from memory.reconsolidation import (
    Reconsolidation,
    ReconsolidationConfig,
    judge,
    revise,
)
from memory.reembedding import Encoder, reembed
from memory.rehearsal import Rehearsal, agreement, farthest
from memory.store import Store
from memory.strategies import Strategy, StrategyBook
from memory.traces import Episode, Floats, Recalled

SHARED_RATE = 0.2
"""Least share by which one opponent's games change what everybody is believed to teach."""


def _check_actions(store: Store, num: int) -> None:
    others = store.read_numbers_of_actions() - {num}
    if others:
        raise ValueError(
            f"the memory's decisions are among {others.pop()} actions, this agent's among {num}: "
            "it belongs to another agent"
        )


def _check_frames(store: Store, shape: tuple[int, ...]) -> None:
    others = store.read_frame_shapes() - {shape}
    if others:
        raise ValueError(
            f"the memory's frames are {others.pop()}, this agent's {shape}: it belongs to "
            "another agent"
        )


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
        self.store, self.key_size, self.index = store, key_size, KeyIndex(key_size)
        self.advice_config = advice or AdviceConfig()
        self.credit_config = credit or CreditConfig()
        self.book = StrategyBook(store)
        self.forgetting_config = forgetting or ForgettingConfig()
        self._notes: dict[int, Note] = {}
        self.reconsolidation_config = ReconsolidationConfig()
        self._beliefs = Beliefs()
        self._moved: dict[int, float] = {}
        self._settled: set[tuple[str, str]] = set()
        self._rebuild()

    @staticmethod
    def open(
        directory: Path | None,
        key_size: int,
        forgetting: ForgettingConfig | None = None,
        encoder: Encoder | None = None,
        num_actions: int | None = None,
        frame_shape: tuple[int, ...] | None = None,
    ) -> Hippocampus:
        """The memory in a folder (made if missing), or in RAM.

        With an encoder, keys that another version of it made are made anew first.

        Raises:
            ValueError: in one line, if the memory belongs to an agent with another width of keys,
                or, where theirs is given, another number of actions or shape of frames.
        """
        with _no_garbage_yet():
            store = Store(directory)
            try:
                if num_actions is not None:
                    _check_actions(store, num_actions)
                if frame_shape is not None:
                    _check_frames(store, frame_shape)
                if encoder is not None:
                    reembed(store, encoder, key_size)
                return Hippocampus(store, key_size, forgetting=forgetting)
            except BaseException:
                store.close()
                raise

    def _rebuild(self) -> None:
        self._rebuild_index()
        self._rebuild_beliefs()
        self._moved = self.store.read_moves()

    def _rebuild_index(self) -> None:
        ids, keys = self.store.read_keys()
        if ids:
            if keys.shape[1] != self.key_size:
                raise ValueError(
                    f"the memory's keys have {keys.shape[1]} numbers, this agent's "
                    f"{self.key_size}: it belongs to another agent"
                )
            self.index.add(ids, keys)

    def _rebuild_beliefs(self) -> None:
        played = self.store.read_opponents_by_game()
        for trace_id, game_id, code, action, returns in self.store.read_outcomes():
            self._take_note(trace_id, Note(code, action, returns, *played[game_id]))
        self._beliefs.learn_all(self.store.read_answers())

    def _take_note(self, trace_id: int, note: Note) -> None:
        self._notes[trace_id] = note
        for belief in both(note.belief):
            self._beliefs.bear_out(belief, trace_id)

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
        distances, ids = self.index.search(queries, k)
        distances[ids < 0] = np.inf
        return Recall(ids, distances)

    def answers(self, game: str, opponent: str, code: int) -> dict[int, Answer]:
        """What is believed of the actions in a situation against one opponent."""
        return self._beliefs.answers(game, opponent, code)

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
            Recalled(
                self._beliefs.newest_trace(game, who, code, action), action, answer.value, 1.0, who
            )
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
            episode: the game; its traces' `returns` are set by reverse replay, and those that
                they recalled are reconsolidated.
            encoder: version of the network that made the keys.

        Returns:
            The strategies that the game gave evidence for.

        Raises:
            ValueError: for a key that is not finite or of the wrong width, or if the store
                cannot be written; then nothing has been learned, though the weakest traces may
                have made room.
        """
        for trace in episode.traces:
            if trace.key.shape != (self.key_size,) or not np.isfinite(trace.key).all():
                raise ValueError(f"a key must be {self.key_size} finite numbers")
        self._make_room(len(episode.traces))
        taught = self._teach(episode)
        self._set_stability(episode)
        strategies, recalls = self.book.summarise(episode), self._reconsider(episode)
        ids = self.store.write_game(
            episode, taught, [s.to_row() for s in strategies], encoder, recalls
        )
        self._believe(episode.game, taught)
        self._settled.discard((episode.game, episode.opponent))
        self._note(ids, episode)
        self._revise(recalls)
        return self.book.resolve(strategies, ids)

    def _teach(self, episode: Episode) -> dict[tuple[str, int, int], Answer]:
        answers = reverse_replay(
            episode,
            lambda trace: self.answers(episode.game, episode.opponent, trace.code),
            self.credit_config,
        )
        taught: dict[tuple[str, int, int], Answer] = {}
        for trace, answer in reversed([*zip(episode.traces, answers, strict=True)]):
            taught[episode.opponent, trace.code, trace.action] = answer
            place = (EVERYONE, trace.code, trace.action)
            known = self.answers(episode.game, EVERYONE, trace.code).get(trace.action)
            taught[place] = blend(taught.get(place, known), trace.returns, SHARED_RATE)
        return taught

    def _believe(self, game: str, taught: dict[tuple[str, int, int], Answer]) -> None:
        for (opponent, code, action), answer in taught.items():
            self._beliefs.learn((game, opponent, code, action), answer)

    def _reconsider(self, episode: Episode) -> Reconsolidation:
        """Judge what was recalled in a game by how it ended."""
        config, notes = self.reconsolidation_config, self._notes

        def value_of(trace_id: int) -> float | None:
            return notes[trace_id].returns if trace_id in notes else None

        judgement = judge(episode.traces, config)
        return Reconsolidation(
            self._stabilities(judgement.useful & notes.keys()),
            revise(judgement, value_of, self._moved, config),
        )

    def _stabilities(self, ids: Iterable[int]) -> dict[int, float]:
        """What a useful recall makes of the stabilities of traces."""
        sleeps = self.store.sleep_count()
        return {
            int(i): stability_after_recall(tau, sleeps - fresh, self.forgetting_config)
            for i, tau, fresh in self.store.read_fading(ids)
        }

    def _revise(self, recalls: Reconsolidation) -> None:
        for r in recalls.revisions:
            self._notes[r.trace_id] = replace(self._notes[r.trace_id], returns=r.after)
            self._moved[r.trace_id] = self._moved.get(r.trace_id, 0.0) + abs(r.after - r.before)

    def _note(self, ids: list[int], episode: Episode) -> None:
        if not ids:
            return
        keys = np.stack([trace.key for trace in episode.traces])
        self.index.add(ids, keys.astype(np.float16).astype(np.float32))  # as they are stored
        for trace_id, trace in zip(ids, episode.traces, strict=True):
            told = (trace.code, trace.action, trace.returns, episode.opponent, episode.game)
            self._take_note(trace_id, Note(*told))

    def _set_stability(self, episode: Episode) -> None:
        sleeps = self.store.sleep_count()
        for trace in episode.traces:
            is_new = (episode.game, EVERYONE, trace.code) not in self._beliefs
            trace.stability = first_stability(trace.advantage, is_new, self.forgetting_config)
            trace.refreshed = sleeps

    def refresh(self, ids: Iterable[int]) -> None:
        """Recalls of these traces were useful: they are fresh again, and fade more slowly.

        Raises:
            ValueError: if it cannot be written; nothing has changed then.
        """
        self.store.write_recalls(Reconsolidation(self._stabilities(ids)))

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
        self.book.fade()
        if self.store.count("scenes") > len(self) + self.store.count("strategies"):
            self.book.scenes.drop_unused()  # traces have left, now or when a game needed room
        self._moved = {}
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
        gone = {belief for i in leaving for belief in both(self._notes[i].belief)}
        kept: dict[Belief, int] = {}
        for trace_id, note in self._notes.items():
            if trace_id not in leaving:
                kept |= {b: max(trace_id, kept.get(b, -1)) for b in both(note.belief) if b in gone}
        lost = gone - kept.keys()
        self.store.forget(ids.tolist(), [(b[0], b[1:]) for b in lost])
        self.index.remove(ids)
        for trace_id in leaving:
            del self._notes[trace_id]
        self._beliefs.forget(lost)
        for belief, trace_id in kept.items():
            self._beliefs.bear_out(belief, trace_id)

    def check_valid(self) -> None:
        """Compare the index with the store.

        Raises:
            ValueError: saying in what they differ.
        """
        ids, keys = self.store.read_keys()
        indexed = self.index.contents()
        if not set(ids) == indexed.keys() == self.index.ids_in_search() == self._notes.keys():
            raise ValueError("the index and the store hold different traces")
        if any(not np.array_equal(indexed[i], key) for i, key in zip(ids, keys, strict=True)):
            raise ValueError("a key in the index is not the one in the store")

    def unsettled(self) -> list[tuple[str, str]]:
        """(game, opponent) of those whose games would still teach something, the latest first."""
        return [who for who in self.store.opponents() if who not in self._settled]

    def settle(self, game: str, opponent: str) -> None:
        """Until the next game against them there is nothing more to be learned from the old."""
        self._settled.add((game, opponent))

    def rehearse(self, game: str, opponent: str) -> Rehearsal:
        """Replay all games against one opponent, oldest first; changes nothing by itself."""
        episodes = list(self.store.read_episodes(game, opponent, frames=False))
        beliefs = {
            trace.code: dict(self.answers(game, opponent, trace.code))
            for episode in episodes
            for trace in episode.traces
        }
        before = agreement(episodes, beliefs)
        believed = {code: dict(answers) for code, answers in beliefs.items()}
        for episode in episodes:
            answers = reverse_replay(episode, lambda t: beliefs[t.code], self.credit_config)
            for trace, answer in reversed([*zip(episode.traces, answers, strict=True)]):
                beliefs[trace.code][trace.action] = answer
        after, moved = agreement(episodes, beliefs), farthest(believed, beliefs)
        return Rehearsal(len(episodes), beliefs, before, after, moved)

    def adopt(self, game: str, opponent: str, beliefs: dict[int, dict[int, Answer]]) -> None:
        """Make the outcome of a rehearsal the memory's own, durably."""
        taught = {
            (opponent, code, action): answer
            for code, answers in beliefs.items()
            for action, answer in answers.items()
        }
        self.store.write_answers(game, taught)
        self._believe(game, taught)


@contextlib.contextmanager
def _no_garbage_yet() -> Iterator[None]:
    """Hundreds of thousands of small objects are made to stay: looking for garbage only costs."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
