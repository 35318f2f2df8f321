"""Suites as declared data: which tasks, in which order, for how long, against whom.

A task is a game in one variant against one scripted player, or a Gymnasium environment. Nothing is
played or learned here.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import gymnasium

import envs
from lifelong_agent.knobs import check_knobs
from lifelong_agent.perception import EyesConfig
from lifelong_agent.policy import NetworkConfig
from lifelong_agent.weights import PRETRAINED, load_network, network_digest
from selfplay.players import make_scripted

Measure = Literal["score", "points", "return"]
GYM = "gym:"
NEW, BENCHMARK, SHIPPED = "new", "benchmark", "shipped"
ABOUT = ("needs", "published", "differs")  # what a suite says of itself, which changes no number
START_FOLDERS = {  # a network is shipped anew again and again, the suites' stays
    BENCHMARK: Path(__file__).parent.parent / "data" / "benchmark",
    SHIPPED: PRETRAINED,
}
SMALL_EYES = EyesConfig(channels=16, blocks=2, looks=1)


@dataclass(frozen=True)
class Task:
    """One thing to learn.

    Attributes:
        game: a variant as `envs.make` knows it, or a Gymnasium id.
        opponent: the scripted player of the other seat; empty for a Gymnasium environment.
        measure: `score`, (wins + draws / 2) / games; `points`, the sum of rewards in a game;
            `return`, that of a Gymnasium episode.
        label: the name in tables, if the game's is not enough.
        options: keyword arguments of `envs.make`, or of a Gymnasium environment.
        gain: what its pixels are multiplied by.
        longest: decisions after which an episode is cut when it is scored; 0 for never.
        share: of the suite's games for a score that it gets; a match of many points tells more.
    """

    game: str
    opponent: str = ""
    measure: Measure = "score"
    label: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    gain: float = 1.0
    longest: int = 0
    share: float = 1.0

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.label or self.game

    @property
    def is_game(self) -> bool:
        """One of the project's own games."""
        return self.measure != "return"


@dataclass(frozen=True)
class Suite:
    """A sequence of tasks, and the terms that are the same for all methods.

    Attributes:
        name: of the suite.
        tasks: those that are trained, in the order of the columns of R.
        held_out: tasks that are only scored, in further columns.
        order: the task of each segment; empty for each once.
        steps: decisions of the learner in a segment, rounded up to whole rollouts in each part.
        parts: a segment is scored and saved so many times, at equal distances.
        games: games or episodes for one score; even.
        num_rows: decisions of the learner at a time.
        rollout_steps: decisions per row and rollout.
        learning_rate: of Adam; constant.
        entropy_weight: of the entropy bonus.
        epochs: passes over each rollout.
        minibatches: parts of a pass.
        least_deviation: see `PPOConfig`.
        network: what every method of ours trains.
        start: whose weights it begins with: `new`, `benchmark` (a network that was shipped once and
            is kept, so that figures stay comparable), `shipped` (the present one), or an agent's
            folder; the network is then that of the suite, see `starting_from`.
        needs: `module:function` of a package that has to be installed; it registers the tasks.
        published: name, mean raw score at the end, and source of figures to compare with.
        differs: how the protocol of those figures differs from this one, in a sentence.
    """

    name: str
    tasks: tuple[Task, ...]
    held_out: tuple[Task, ...] = ()
    order: tuple[int, ...] = ()
    steps: int = 409_600
    parts: int = 5
    games: int = 100
    num_rows: int = 64
    rollout_steps: int = 32
    learning_rate: float = 6e-4
    entropy_weight: float = 0.01
    epochs: int = 2
    minibatches: int = 4
    least_deviation: float = 0.0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    start: str = NEW
    needs: str = ""
    published: tuple[tuple[str, float, str], ...] = ()
    differs: str = ""

    @property
    def segments(self) -> tuple[int, ...]:
        """The task of each segment."""
        return self.order or tuple(range(len(self.tasks)))

    @property
    def columns(self) -> tuple[Task, ...]:
        """The tasks of R's columns: trained, then held out."""
        return (*self.tasks, *self.held_out)

    def num_games(self, task: Task) -> int:
        """Games for one score of a task; even."""
        return 2 * round(self.games * task.share / 2)

    @property
    def part_steps(self) -> int:
        """Decisions in one part of a segment, rounded up to whole rollouts."""
        rollout = self.num_rows * self.rollout_steps
        return -(-self.steps // (self.parts * rollout)) * rollout

    @property
    def start_folder(self) -> Path | None:
        """Where the weights lie that it begins with; None for new ones."""
        if self.start == NEW:
            return None
        return START_FOLDERS.get(self.start) or Path(self.start)

    def starting_from(self, start: str) -> Suite:
        """The same tasks for networks that begin with other weights, and are built like these.

        Raises:
            ValueError: in one line, if there is no such agent.
        """
        suite = dataclasses.replace(self, start=start)
        if suite.start_folder is None:
            return suite
        return dataclasses.replace(suite, network=load_network(suite.start_folder).config)

    def reversed(self) -> Suite:
        """The same tasks in the opposite order."""
        return dataclasses.replace(self, order=self.segments[::-1])

    def to_json(self) -> dict[str, Any]:
        """Plain values; equal ones mean equal terms."""
        values = dataclasses.asdict(self)
        if self.start_folder is not None:
            values["start"] = f"{self.start} {network_digest(self.start_folder)}"
        return {k: v for k, v in values.items() if k not in ABOUT}


def _variants(game: str, modifiers: str, opponent: str, **terms: Any) -> tuple[Task, ...]:
    """Tasks of one game: the classic, and each of the modifiers (separated by spaces)."""
    names = [game, *(f"{game}:{modifier}" for modifier in modifiers.split())]
    return tuple(Task(name, opponent, **terms) for name in names)


def _brief(name: str, tasks: tuple[Task, ...], **terms: Any) -> Suite:
    """A suite of segments that one core learns in less than a minute.

    A short segment needs a fast learner that keeps trying: with half the learning rate or a third
    of the entropy bonus some of the variants are not learned in it.
    """
    brief: dict[str, Any] = {
        "steps": 24_576,
        "parts": 4,
        "games": 200,
        "num_rows": 32,
        "rollout_steps": 16,
        "learning_rate": 2e-3,
        "entropy_weight": 0.03,
        "network": NetworkConfig(eyes=SMALL_EYES),
    }
    return Suite(name, tasks, **(brief | terms))


def _from_benchmark(name: str, tasks: tuple[Task, ...], **terms: Any) -> Suite:
    """A suite for networks that begin trained and know the classic games.

    What has long been learned bears small steps only.
    """
    known: dict[str, Any] = {
        "steps": 49_152, "parts": 2, "games": 200, "learning_rate": 3e-4, "start": BENCHMARK,
    }  # fmt: skip
    return Suite(name, tasks, **(known | terms))


CONNECT = _variants("connect", "misere popout wrap pillars five", "connect/one_ply")
EASY_CONNECT = _variants("connect", "misere popout", "clumsy-50:connect/one_ply")
TRON = _variants("tron", "fog wrap rocks tails gates", "clumsy-10:tron/wall_hugger")
VOLLEY = _variants("volley", "wind", "clumsy-50:volley/tracker", measure="points", share=0.1)
BRISK_VOLLEY = _variants(  # tick by tick a point is too far away for one core to learn from
    "volley", "clutter wind bigball clutter+wind bigball+wind", "clumsy-50:volley/tracker",
    measure="points", share=0.5, options=(("action_repeat", 4),),
)  # fmt: skip


def _minatar(game: str) -> Task:
    options = (
        ("difficulty_ramping", False),
        ("sticky_action_prob", 0.1),
        ("use_minimal_action_set", False),
    )
    return Task(f"MinAtar/{game}-v1", "", "return", options=options, longest=300)


def _minigrid(name: str) -> Task:
    return Task(f"MiniGrid-{name}-v0", "", "return", gain=20.0)


_SUITES = (
    Suite(
        "quick",
        (
            Task("connect", "random"),
            Task("connect:misere", "random"),
            Task("tron", "random"),
        ),
        steps=32_768,
        parts=4,
        games=60,
        num_rows=32,
        rollout_steps=16,
        learning_rate=1e-3,
        network=NetworkConfig(eyes=SMALL_EYES),
    ),
    _from_benchmark("connect", CONNECT),
    _brief("tron", TRON, steps=98_304),
    _from_benchmark("volley", BRISK_VOLLEY, steps=81_920),
    _brief(
        "two_games",
        (EASY_CONNECT[0], TRON[0], EASY_CONNECT[1], TRON[2], EASY_CONNECT[2], TRON[1]),
    ),
    _from_benchmark(
        "mixed",
        (VOLLEY[0], CONNECT[0], TRON[0], CONNECT[1], TRON[5], VOLLEY[1]),
    ),
    _brief(
        "zebra",
        TRON[1:],
        steps=98_304,
        held_out=tuple(
            Task(f"tron:{both}", TRON[0].opponent)
            for both in ("fog+wrap", "rocks+wrap", "fog+rocks", "gates+tails", "fog+tails")
        ),
    ),
    _from_benchmark(
        "opponents",
        tuple(
            Task("connect", player, label=player)
            for player in (
                "connect/one_ply", "stubborn:1", "stubborn:2", "stubborn:3", "connect/negamax-2",
                "random",
            )
        ),
    ),
    Suite(
        "minatar",
        tuple(_minatar(game) for game in ("Breakout", "SpaceInvaders", "Freeway")),
        order=(0, 1, 0, 1, 1, 2, 0),
        steps=500_000,
        games=20,
        learning_rate=1e-3,
        network=NetworkConfig(eyes=SMALL_EYES),
        needs="minatar.gym:register_envs",
        published=(
            ("FAME", 14.54, "10 sequences of 3 seeds"),
            ("large buffer", 10.71, "10 sequences of 3 seeds"),
            ("fine-tune", 10.62, "10 sequences of 3 seeds"),
            ("reset", 6.51, "10 sequences of 3 seeds"),
        ),
        differs="Theirs: ten sequences, and of each game the mean return of the episodes in 6,000 "
        "greedy steps, each cut at 300. Here: one of those sequences, and the mean return of one "
        "greedy episode in each of 20 environments, cut at 300 steps, 6,000 steps at most.",
    ),
    Suite(
        "minigrid",
        tuple(
            _minigrid(name)
            for name in ("DoorKey-5x5", "SimpleCrossingS9N1", "LavaGapS5", "MultiRoom-N2-S4")
        ),
        steps=500_000,
        epochs=4,  # with half of them SimpleCrossing is not learned in 150,000 decisions
        minibatches=8,
        least_deviation=0.1,  # nothing is paid until a goal is found by chance
        network=NetworkConfig(eyes=SMALL_EYES),
        needs="minigrid:register_minigrid_envs",
        published=(
            ("dream rehearsal", 0.856, "3 seeds"),
            ("cloning of competent episodes", 0.801, "3 seeds"),
            ("plain replay", 0.770, "3 seeds"),
        ),
        differs="Theirs are world models, which need fewer steps. Here: the mean return of one "
        "greedy episode in each of 100 environments.",
    ),
)  # fmt: skip
SUITES: dict[str, Suite] = {suite.name: suite for suite in _SUITES}


def find_suite(name: str) -> Suite:
    """A suite by its name, or one of any Gymnasium environments: `gym:ID,ID,...`.

    Raises:
        ValueError: for an unknown suite, or one whose package is not installed.
    """
    if name.startswith(GYM):
        ids = tuple(filter(None, name.removeprefix(GYM).split(",")))
        if len(set(ids)) != len(ids) or not ids:
            raise ValueError(f"{name!r} must name Gymnasium environments, each once: gym:ID,ID,...")
        return Suite(name, tuple(Task(each, "", "return") for each in ids), games=20)
    if name not in SUITES:
        raise ValueError(f"unknown suite {name!r}: known are {', '.join(SUITES)}, gym:ID,ID,...")
    suite = SUITES[name]
    if suite.needs:
        _register_tasks(suite)
    return suite


def _register_tasks(suite: Suite) -> None:
    """Make sure that Gymnasium knows the tasks, whether or not their package saw to it."""
    module_name, _, function = suite.needs.partition(":")
    package = module_name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"the suite {suite.name} needs the package {package}: install it first")
    module = importlib.import_module(module_name)
    if suite.tasks[0].game not in gymnasium.registry:
        getattr(module, function)()


def check_suite(suite: Suite) -> None:
    """Raise `ValueError`, in one line, for terms that make no sense."""
    if not suite.tasks or not all(isinstance(task, Task) for task in suite.columns):
        raise ValueError(f"the tasks of {suite.name} must be a tuple of at least one Task")
    names = [task.name for task in suite.columns]
    if len(set(names)) != len(names):
        raise ValueError(f"the tasks of {suite.name} must have different names: {names}")
    if set(suite.segments) != set(range(len(suite.tasks))):
        raise ValueError(f"the order of {suite.name} must hold every task: {suite.segments}")
    _check_numbers(suite)
    if suite.games % 2 or min(map(suite.num_games, suite.columns)) < 2:
        raise ValueError(f"the games for a score must be even, at least 2: {suite.games}")
    if len({task.is_game for task in suite.columns}) > 1:
        raise ValueError(f"{suite.name} mixes the project's games with Gymnasium environments")
    for task in suite.columns:
        _check_task(task)


def _check_numbers(suite: Suite) -> None:
    counts = ("steps", "parts", "num_rows", "rollout_steps", "epochs", "minibatches")
    check_knobs(1, whole=True, **{name: getattr(suite, name) for name in counts})
    weights = ("learning_rate", "entropy_weight", "least_deviation")
    check_knobs(0, **{name: getattr(suite, name) for name in weights})


def _check_task(task: Task) -> None:
    if task.measure not in get_args(Measure):
        raise ValueError(f"a measure is one of {get_args(Measure)}, not {task.measure!r}")
    if not isinstance(task.options, tuple):
        raise ValueError(f"the options of {task.name} must be a tuple of pairs")
    if task.is_game:
        envs.make(task.game, **dict(task.options))
        make_scripted(task.opponent)
