"""The agent: a network that sees and chooses, a memory that advises it and grows with every game.

One agent plays one game at a time: `begin_game`, `act` until it is over, `end_game`, and now and
then `sleep`. It is told the observation and what is legal, never which game it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lifelong_agent.consolidation import Consolidation
from lifelong_agent.exemplars import FILE, read_exemplars, write_exemplars
from lifelong_agent.keys import KEY_SIZE, KeyEncoder, encoder_version
from lifelong_agent.lessons import Lessons
from lifelong_agent.looks import Describer, tokens
from lifelong_agent.perception import Percept
from lifelong_agent.policy import DualStreamNetwork
from lifelong_agent.records import AgentObservation, Decision, GameSummary, Record
from lifelong_agent.weights import PRETRAINED, load_network_and_keys, save_network, trained_games
from memory import (
    NO_WAY,
    Acquaintances,
    Encoder,
    Episode,
    Hippocampus,
    Impression,
    Lines,
    SleepReport,
    Strategy,
    Tactician,
    Trace,
    Woken,
    advise,
    bend,
    fingerprint,
    sleep,
    take,
)  # fmt: skip
from memory.inspection import LONGEST_NAME
from memory.rows import MOST_ACTIONS
from memory.traces import Floats


class LifelongAgent:
    """A network with a lifelong memory.

    Args:
        network: trained weights; they are never changed. What sleep teaches is kept beside the
            memory, in networks that begin as copies of this one.
        memory: folder of the memory, made if it is missing; None keeps it in RAM.
        keys: how readings become keys.
        trained_games: the variants that the network was trained on, as far as is known.
        exemplars: situations of its training that sleep rehearses, if there are any.

    Raises:
        ValueError: for more than 63 actions, or if the memory is damaged, in use, newer,
            unwritable, or another agent's.
    """

    def __init__(
        self,
        network: DualStreamNetwork,
        memory: Path | str | None = None,
        keys: KeyEncoder | None = None,
        trained_games: tuple[str, ...] = (),
        exemplars: Lessons | None = None,
    ) -> None:
        if network.config.num_actions > MOST_ACTIONS:
            raise ValueError(
                f"at most {MOST_ACTIONS} actions can be remembered, not "
                f"{network.config.num_actions}"
            )
        memory = None if memory is None else Path(memory)
        self.network, self.exemplars = network.eval(), exemplars
        self.trained_games = trained_games
        self.keys = keys or KeyEncoder.unfitted(network.config.eyes.reading)
        self.encoder = encoder_version(network.eyes, self.keys)
        encoder = Encoder(self.encoder, self._keys_of)
        self.hippocampus = Hippocampus.open(
            memory,
            KEY_SIZE,
            encoder=encoder,
            num_actions=network.config.num_actions,
            frame_shape=network.config.obs_shape,
        )
        self.consolidation = Consolidation(
            network, self.hippocampus, self.encoder, memory, before=exemplars
        )
        self.tactician = Tactician(self.hippocampus.book)
        self.acquaintances = Acquaintances(self.hippocampus.store)
        self._impression: Impression | None = None
        self.lines, self._way = Lines(self.hippocampus.store), NO_WAY
        self.describer = Describer(network.config.obs_shape[0], self.encoder, memory)
        if not self.describer.has_words:  # another dictionary's are not to be compared with its own
            self.hippocampus.book.scenes.clear()
        self.episode: Episode | None = None
        self._scenes: dict[int, bytes] = {}
        self._state = network.initial_state(1)

    @classmethod
    def pretrained(
        cls, memory: Path | str | None = None, device: torch.device | str = "cpu"
    ) -> LifelongAgent:
        """The agent that is shipped with this package."""
        return cls.load(PRETRAINED, memory, device)

    @classmethod
    def load(
        cls,
        directory: Path | str,
        memory: Path | str | None = None,
        device: torch.device | str = "cpu",
    ) -> LifelongAgent:
        """Read what `save` or a training run wrote.

        Raises:
            ValueError: in one line, for anything that is missing or damaged.
        """
        directory = Path(directory)
        network, tensors = load_network_and_keys(directory, device)
        keys = _keys(tensors, network, directory / "network.safetensors")
        exemplars = read_exemplars(directory, network, encoder_version(network.eyes, keys))
        return cls(network, memory, keys, trained_games(directory), exemplars)

    def save(self, directory: Path | str) -> None:
        """Write the network as it was before any sleep, and keys (never pickle).

        The memory has its own folder, and in it what sleep taught.
        """
        directory = Path(directory)
        games = list(self.trained_games)
        save_network(directory, self.network, self.keys.tensors(), games=games)
        if self.exemplars is None:
            (directory / FILE).unlink(missing_ok=True)  # another network's
            return
        known = self.exemplars
        write_exemplars(directory, known.readings, known.states, known.legal_actions, self.encoder)

    @torch.no_grad()
    def _keys_of(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """(N, C, H, W) frames to their (N, D) keys, for a memory that an older network made."""
        frames = torch.from_numpy(pixels).to(self.network.policy_head.weight.device)
        keys: Floats = self.keys(self.network.eyes(frames).reading, frames).numpy()
        return keys

    def begin_game(self, game: str, opponent: str) -> None:
        """A new game against somebody; an unfinished one is forgotten.

        Raises:
            ValueError: for an empty name, or one that is too long.
        """
        for who, name in (("a game", game), ("an opponent", opponent)):
            if not name.strip():
                raise ValueError(f"{who} needs a name")
            if len(name) > LONGEST_NAME:
                raise ValueError(f"a name has at most {LONGEST_NAME} letters, not {len(name)}")
        if self.episode is not None:
            self.describer.forget(len(self.episode.traces))
        self.episode, self._scenes = Episode(game, opponent), {}
        self._impression = self.acquaintances.meet(game, opponent)
        self._way = NO_WAY
        self._state = self.network.initial_state(1)

    @property
    def awake(self) -> DualStreamNetwork:
        """The network that acts: the shipped one and what sleep has taught it."""
        return self.consolidation.cortex.slow

    @torch.inference_mode()
    def act(self, obs: AgentObservation) -> Decision:
        """Choose the action that the network, advised by memory, likes best.

        Raises:
            RuntimeError: outside a game.
            ValueError: for a missing frame or mask, one of the wrong shape, or nothing legal.
        """
        if self.episode is None:
            raise RuntimeError("begin_game comes before act")
        frame, legal = self._checked(obs)
        thought = self.awake(frame, legal, self._state)
        instinct = self.network.think(thought.percept, legal, self._state)
        pixels, policy = frame[0].cpu().numpy(), thought.log_probs.exp()[0].cpu().numpy()
        value = float(thought.value[0])
        code, key = fingerprint(pixels), self.keys(thought.percept.reading, frame)[0].numpy()
        alike = self._recognise(code)
        advice = self.hippocampus.advise(
            self.episode.game, self.episode.opponent, code, key, value, len(policy), alike
        )
        attributes = self._describe(frame, thought.percept, code)
        tactics = self.tactician.consult(
            self.episode.game, self.episode.opponent, code, self._scenes.get(code), len(policy)
        )
        temperature = self.hippocampus.advice_config.temperature
        probabilities = advise(policy, advice.advantage, temperature)
        probabilities = bend(probabilities, tactics, self.tactician.config.lid)
        way = self._next(code, alike)
        if way is not None and bool(legal[0, way]):  # equal frames need not have equal masks
            probabilities = take(probabilities, way, self.lines.config.share)
        action = int(probabilities.argmax())
        self.episode.traces.append(
            Trace(
                code, key, pixels, self._state[0].cpu().numpy(),
                thought.percept.fixations[0].cpu().numpy(), action, legal[0].cpu().numpy(),
                instinct.log_probs.exp()[0].cpu().numpy(), value, recalled=advice.recalled,
            )
        )  # fmt: skip
        self._state = thought.state
        return Decision(
            torch.tensor([action]), torch.from_numpy(probabilities)[None], thought.value,
            thought.percept.fixations, thought.percept.saliency, attributes, advice.recalled,
        )  # fmt: skip

    def _recognise(self, code: int) -> str | None:
        """Take in how the other side has answered, and tell whom else they play like."""
        assert self.episode is not None
        assert self._impression is not None
        if self.episode.traces:
            last = self.episode.traces[-1]
            self._impression.see((last.code, last.action, code))
        likeness = self._impression.nearest()
        return None if likeness is None else likeness.opponent

    def _next(self, code: int, alike: str | None) -> int | None:
        """What the lines against an opponent say; of one never met, those of whom they are like."""
        assert self.episode is not None
        game, opponent, played = self.episode.game, self.episode.opponent, self.episode.traces
        if not played:
            self._way = self.lines.way(game, opponent, code)
        action = self._way.action(len(played), code)
        if action is not None or alike is None or self.lines.knows(game, opponent):
            return action
        self._way = self.lines.way_on(game, alike, [(t.code, t.action) for t in played], code)
        return self._way.action(len(played), code)

    def _describe(self, frame: Tensor, percept: Percept, code: int) -> tuple[str, ...]:
        """Name what the looks show; the situation is filed under it when the game ends."""
        crop = self.network.config.eyes.crop
        (looks,) = tokens(frame, percept.fixations, percept.reading, self.keys, crop)
        names, bits = self.describer.see(looks)
        if bits is not None:
            self._scenes[code] = bits
        return names

    def _checked(self, obs: AgentObservation) -> tuple[Tensor, Tensor]:
        device = self._state.device
        if not isinstance(obs, Mapping) or not {"observation", "action_mask"} <= obs.keys():
            raise ValueError("wanted a dictionary with an observation and an action_mask")
        frame = torch.as_tensor(obs["observation"], device=device).clone()  # it is remembered
        legal = torch.as_tensor(obs["action_mask"], device=device).bool().clone()
        config = self.network.config
        if frame.shape != config.obs_shape or frame.dtype != torch.uint8:
            raise ValueError(
                f"wanted a uint8 frame of {config.obs_shape}, not {frame.dtype} of "
                f"{tuple(frame.shape)}"
            )
        if legal.shape != (config.num_actions,) or not bool(legal.any()):
            raise ValueError(f"wanted a mask of {config.num_actions} with something legal in it")
        return frame[None], legal[None]

    def end_game(self, result: float) -> GameSummary:
        """Learn from the game: credit and strategies, in one durable transaction.

        What its situations show is stored just before; without the game it is dropped in a sleep.

        Args:
            result: in [-1, 1], from the agent's side.

        Raises:
            RuntimeError: outside a game.
            ValueError: for another result, or if the memory cannot be written.
        """
        if self.episode is None:
            raise RuntimeError("begin_game comes before end_game")
        if not -1 <= result <= 1:
            raise ValueError(f"a result is between -1 and 1, not {result}")
        episode = self.episode
        episode.result = float(result) + 0.0  # no -0.0
        self.hippocampus.book.note_scenes(self._scenes)
        strategies = self.hippocampus.remember(episode, self.encoder)
        self.episode = None
        self.acquaintances.note(episode)
        self.lines.note(episode)
        self.tactician.refresh()

        def those(verdict: str) -> tuple[Strategy, ...]:
            return tuple(s for s in strategies if s.verdict == verdict)

        return GameSummary(
            result, those("good"), those("bad"), those("undetermined"), self._notes(episode)
        )

    def _notes(self, episode: Episode) -> tuple[str, ...]:
        """What there is to say about an opponent after a game, every number from the records."""
        record = self.record(episode.opponent)
        times = "once" if record.games == 1 else f"{record.games} times"
        notes = [
            f"I have met {episode.opponent} {times}: I won {record.wins}, drew {record.draws} and "
            f"lost {record.losses}."
        ]
        assert self._impression is not None
        likeness = self._impression.nearest()
        if likeness is not None:
            answers = likeness.same + likeness.other
            notes.append(
                f"Plays like {likeness.opponent}: {likeness.same} of {answers} answers of this "
                "game I know from there."
            )
        return tuple(notes)

    def sleep(
        self, budget_s: float = 3.0, tell: Callable[[float], None] = lambda _: None
    ) -> SleepReport:
        """Settle the values of remembered games, learn attributes, teach the network.

        Args:
            budget_s: seconds that it may take.
            tell: told the share that is done, in [0, 1]; if it raises `Woken`, the network stays
                as it was.

        Raises:
            ValueError: for a budget that is not positive, or if the outcome cannot be written.
        """
        started = time.monotonic()
        settled = sleep(self.hippocampus, budget_s / 3)
        self.describer.sleep()
        self.tactician.refresh()
        self.acquaintances.refresh()
        chance = torch.Generator(self._state.device)
        chance.manual_seed(self.hippocampus.store.sleep_count())
        try:
            left_s = started + budget_s - time.monotonic()
            taught = self.consolidation.sleep(max(left_s, 0.0), chance, tell)
        except Woken:
            taught = SleepReport(False, "woken up, the network is as it was")
        accepted = settled.accepted or taught.accepted
        return SleepReport(accepted, f"{settled.reason}; {taught.reason}")

    def record(self, opponent: str) -> Record:
        """The games against somebody, over all games and variants."""
        results = np.array(self.hippocampus.store.results(opponent))
        wins, losses = int((results > 0).sum()), int((results < 0).sum())
        return Record(len(results), wins, len(results) - wins - losses, losses)

    def close(self) -> None:
        """Let go of the memory; once more does nothing."""
        self.hippocampus.store.close()


def _keys(tensors: dict[str, Tensor], network: DualStreamNetwork, path: Path) -> KeyEncoder:
    """The key encoder out of its tensors; without any, a random one."""
    fallback = KeyEncoder.unfitted(network.config.eyes.reading)
    if not tensors:
        return fallback
    for name, like in fallback.tensors().items():
        if name not in tensors or tensors[name].shape != like.shape:
            raise ValueError(f"{path}: tensor keys.{name} is missing or has the wrong shape")
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(f"{path}: tensor keys.{name} holds NaN or infinity")
    return KeyEncoder(tensors["mean"], tensors["projection"])
