"""What a training run is asked to be, and who meets whom in it. Nothing here plays or learns."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from torch import Generator

import envs
from envs import NUM_SEATS
from envs.opponents import specialty
from lifelong_agent.knobs import check_knobs
from lifelong_agent.ppo import PPOConfig
from selfplay.arena import Arena, make_arena
from selfplay.lessons import TEACHERS
from selfplay.players import is_network, make_player
from selfplay.rollout import random_positions
from selfplay.seats import Player, Random

MOST_OPENINGS = 1 << 16
MOST_SCRIPTED = 0.8  # share of the decisions in a game
LEAST = 1e-9  # of what has to be above 0

AnyGame = envs.Game[Any]


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        games: their names with modifiers; the batch is shared out evenly.
        variants: share of each game's decisions that goes to its variants with one modifier more;
            0 for no variants.
        variants_scripted: share of a variant's decisions against the first of `opponents` that
            plays its game; the rest is mirror games. Players who cannot yet return a ball teach
            each other nothing.
        steps: learner decisions in all.
        num_games: decisions of the learner at a time; a simultaneous mirror game takes two.
        epochs: passes over each rollout.
        minibatches: parts of a pass.
        opponents: scripted players, or frozen networks, and their shares of the decisions in the
            games that they play; the rest is mirror games.
        snapshot_share: share of the games against former selves.
        midgame_share: share of new games that start from a random mid-game position.
        max_opening_plies: depth of those positions.
        learning_rate: at the start; falls linearly to a tenth.
        entropy_weight: of the entropy bonus; at 0.01 the policy settled too early.
        least_deviation: see `PPOConfig`.
        lessons: decisions in which teachers are asked, too (see `lessons`); 0 for none.
        lesson_floor: weight to which their word falls in these.
        taught: names of the games that are taught.
        averaging: share of the average of weights that is kept from rollout to rollout; the
            average is what is shipped, the network itself goes on learning.
        snapshot_steps: learner decisions between snapshots.
        checkpoint_s: seconds between checkpoints.
        precision: arithmetic of the ventral stream.
        compiled: whether the network is compiled, which takes a minute; on two cores without
            AVX-512 it was 20% slower.
        seed: of all chance.

    Raises:
        ValueError: in one line that names the first number out of its range.
    """

    games: tuple[str, ...] = ("connect",)
    variants: float = 0.0
    variants_scripted: float = 0.0
    steps: int = 12_000_000
    num_games: int = 256
    epochs: int = 2
    minibatches: int = 4
    opponents: tuple[tuple[str, float], ...] = (
        ("connect/one_ply", 0.125),
        ("connect/negamax-2", 0.125),
        ("connect/negamax-4", 0.125),
        ("tron/wall_hugger", 0.125),
        ("tron/voronoi", 0.125),
        ("volley/tracker", 0.125),
        ("volley/predictor", 0.125),
    )
    snapshot_share: float = 0.125
    midgame_share: float = 0.5
    max_opening_plies: int = 24
    learning_rate: float = 6e-4
    entropy_weight: float = 0.025
    least_deviation: float = PPOConfig.least_deviation
    lessons: int = 0
    lesson_floor: float = 0.0
    taught: tuple[str, ...] = tuple(TEACHERS)
    averaging: float = 0.98
    snapshot_steps: int = 400_000
    checkpoint_s: float = 180.0
    precision: str = "float32"
    compiled: bool = False
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_knobs(
            1, whole=True, steps=self.steps, epochs=self.epochs, minibatches=self.minibatches,
            snapshot_steps=self.snapshot_steps,
        )  # fmt: skip
        check_knobs(0, whole=True, lessons=self.lessons)
        check_knobs(
            0, entropy_weight=self.entropy_weight, least_deviation=self.least_deviation,
            lesson_floor=self.lesson_floor,
        )  # fmt: skip
        check_knobs(0, 1, is_open=True, variants=self.variants, averaging=self.averaging)
        check_knobs(0, 1, variants_scripted=self.variants_scripted)
        check_knobs(LEAST, learning_rate=self.learning_rate)
        shares: dict[str, Any] = {f"the share of {name}": share for name, share in self.opponents}
        check_knobs(LEAST, **shares)
        if len(set(self.games)) < len(self.games):
            raise ValueError(f"games must be different ones, not {self.games}")
        if self.minibatches > self.num_games:
            raise ValueError(
                f"{self.minibatches} minibatches need as many decisions at a time, not "
                f"{self.num_games}"
            )


class LineUp:
    """The arenas of a run.

    `arenas` are all of them: of each game mirror games, scripted opponents and former selves, then
    mirror games of its variants and a scripted opponent in each. `scripted` and `former` are some
    of the first.

    Args:
        config: the run.
        generator: chance.

    Raises:
        ValueError: for an unknown game or player, or too many scripted opponents.
    """

    def __init__(self, config: TrainConfig, generator: Generator) -> None:
        self.config, self.generator = config, generator
        self.arenas: list[Arena] = []
        self.scripted: list[Arena] = []
        self.former: list[Arena] = []
        games = [envs.make(name, config.device) for name in config.games]
        for game in games:
            self._seat_all(game)
        if config.variants:
            for game in games:
                self._add_variants(game)

    @property
    def _rows(self) -> int:
        """Decisions at a time in one game with its variants."""
        return self.config.num_games // len(self.config.games)

    def _openings(self, game: AnyGame, num_games: int) -> envs.State:
        c = self.config
        num = min(16 * num_games, MOST_OPENINGS)
        return random_positions(game, num, c.max_opening_plies, c.midgame_share, self.generator)

    def _mirror(self, game: AnyGame, rows: int, openings: envs.State) -> Arena:
        num_games = rows // (NUM_SEATS if game.simultaneous else 1)
        return make_arena(game, num_games, None, openings, self.generator)

    def _seat_all(self, game: AnyGame) -> None:
        """Mirror games, scripted opponents, and former selves."""
        c = self.config
        openings = self._openings(game, c.num_games)
        num_rows = round((1 - c.variants) * self._rows)

        def arena(share: float, player: Player) -> Arena:
            games = max(1, round(share * num_rows))
            return make_arena(game, games, player, openings, self.generator)

        met = self._scripted_in(game)
        if sum(share for _, share in met) > MOST_SCRIPTED:
            raise ValueError(f"opponents may take at most {MOST_SCRIPTED} of {game.name}")
        scripted = [arena(share, make_player(name, c.device)) for name, share in met]
        former = arena(c.snapshot_share, Random())  # one: each costs a forward pass of its own
        rows_left = num_rows - sum(a.num_rows for a in [*scripted, former])
        if rows_left < NUM_SEATS:
            raise ValueError(
                f"{num_rows} decisions of {game.name} at a time are too few for {len(met)} "
                "opponents, a former self and mirror games: the batch must be larger"
            )
        self.arenas += [self._mirror(game, rows_left, openings), *scripted, former]
        self.scripted += scripted
        self.former.append(former)

    def _scripted_in(self, game: AnyGame) -> list[tuple[str, float]]:
        return [(name, share) for name, share in self.config.opponents if _plays(name, game)]

    def _add_variants(self, game: AnyGame) -> None:
        """All variants with one modifier more: mirror games, and games against one opponent."""
        c, variants = self.config, _variants(game)
        for variant in variants:
            rows = max(NUM_SEATS, round(c.variants * self._rows / len(variants)))
            openings = self._openings(variant, rows)
            met = self._scripted_in(variant)[:1]
            against = min(round(c.variants_scripted * rows), rows - NUM_SEATS) if met else 0
            self.arenas.append(self._mirror(variant, rows - against, openings))
            if against > 0:
                player = make_player(met[0][0], c.device)
                self.arenas.append(make_arena(variant, against, player, openings, self.generator))


def _variants(game: AnyGame) -> list[AnyGame]:
    """All with one modifier more that goes with those it has."""
    found: list[AnyGame] = []
    for modifier in sorted(game.MODIFIERS.keys() - game.modifiers):
        with contextlib.suppress(ValueError):  # two that clash
            found.append(type(game)([*game.modifiers, modifier], game.device))
    return found


def _plays(player: str, game: AnyGame) -> bool:
    """`connect/one_ply` plays connect; networks and names without a game play all of them."""
    return is_network(player) or specialty(player) in ("", game.name)
