"""How the menu looks: the game with its modifiers on the stage, the form beside it.

It is told what to show and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pygame import Rect

from lifelong_agent import Record
from window.boards import Board
from window.chips import Chips
from window.rivals import UNTRAINED
from window.theme import AGENT, BACKGROUND, BAD, EDGE, MUTED, PERSON, Canvas, split
from window.widgets import Button, Choice, NameField, row

TITLE, LABEL, LINE, GRID_ROW, WORDS, NOTICE, BUTTONS, GAP = 66, 19, 40, 33, 20, 62, 46, 13
LETTERS = 13.5


@dataclass(frozen=True)
class Form:
    """What the form shows.

    Attributes:
        field: the name.
        opponent: whom to play against.
        starter: who starts; None where both move at once.
        buttons: start and quit.
        focused: the widget that has the focus, if it is one of these.
        words: a line about the opponent.
        against_agent: whether the agent is to play.
        is_awake: whether it is loaded.
        untrained: whether it never learned this game.
        asked: the name that the record is of.
        record: of the agent's games against that person, as soon as it is known.
    """

    field: NameField
    opponent: Choice
    starter: Choice | None
    buttons: tuple[Button, Button]
    focused: object | None
    words: str
    against_agent: bool
    is_awake: bool
    untrained: bool
    asked: str
    record: Record | None


def draw_menu_frame(canvas: Canvas) -> tuple[Rect, Rect]:
    """The grounds; returns the stage and the inside of the panel."""
    canvas.surface.fill(BACKGROUND)
    stage, side = split(canvas)
    canvas.panel(side)
    return stage, side.inflate(-canvas.px(40), -canvas.px(36))


def draw_game(
    canvas: Canvas,
    stage: Rect,
    choices: tuple[Choice, Chips],
    board: Board,
    focused: tuple[bool, bool],
    words: str,
) -> None:
    """The games above, a picture of the chosen one, its modifiers below."""
    game, modifiers = choices
    tabs = Rect(stage.left, stage.top, stage.width, canvas.px(42))
    game.draw(canvas, tabs, focused[0])
    foot = Rect(stage.left, stage.top, stage.width, 0)
    height = modifiers.place(canvas, foot)
    foot.height = height + canvas.px(WORDS + 12)
    foot.bottom = stage.bottom
    modifiers.place(canvas, foot)
    modifiers.draw(canvas, focused[1])
    line = (stage.left + canvas.px(2), foot.bottom - canvas.px(WORDS))
    canvas.text(words, size=14, colour=MUTED, width=stage.width, topleft=line)
    top = tabs.bottom + canvas.px(14)
    picture = Rect(stage.left, top, stage.width, foot.top - canvas.px(14) - top)
    board.draw(canvas, picture, hovering=False)


class _Stack:
    """Places things below each other; where there is little room, all but the lines tighten."""

    def __init__(self, canvas: Canvas, inner: Rect, wanted: float, lines: Sequence[float]) -> None:
        self._canvas, self._inner, self._y = canvas, inner, float(inner.top)
        room = inner.height - sum(map(self._line_height, lines))
        self._scale = max(0.0, min(1.0, room / (wanted * canvas.unit)))

    def take(self, units: float) -> Rect:
        """The next strip."""
        return self._cut(units * self._scale * self._canvas.unit)

    def take_line(self, units: float) -> Rect:
        """The next strip, with room for a line of letters however small the window is."""
        return self._cut(self._line_height(units))

    def _line_height(self, units: float) -> float:
        return max(units * self._canvas.unit, self._canvas.letters(LETTERS).get_linesize())

    def _cut(self, height: float) -> Rect:
        place = Rect(self._inner.left, round(self._y), self._inner.width, round(height))
        self._y += height
        return place


def draw_form(canvas: Canvas, inner: Rect, form: Form) -> None:
    """Title, name, opponent, who starts, record, buttons."""
    grid = form.opponent.num_rows * GRID_ROW + 6
    wanted = TITLE + LINE + 2 * GAP + grid + NOTICE + BUTTONS + GAP
    wanted += 0 if form.starter is None else LINE + GAP
    lines = [LABEL, LABEL, WORDS] + ([] if form.starter is None else [LABEL])
    stack = _Stack(canvas, inner, wanted, lines)
    _draw_title(canvas, stack.take(TITLE))
    _draw_label(canvas, stack.take_line(LABEL), "Your name")
    form.field.draw(canvas, stack.take(LINE), form.focused is form.field)
    stack.take(GAP)
    _draw_label(canvas, stack.take_line(LABEL), "Against")
    form.opponent.draw(canvas, stack.take(grid), form.focused is form.opponent)
    words = stack.take_line(WORDS)
    bottom = (words.left + canvas.px(2), words.bottom)
    canvas.text(form.words, size=13, colour=MUTED, width=words.width, bottomleft=bottom)
    stack.take(GAP)
    if form.starter is not None:
        _draw_label(canvas, stack.take_line(LABEL), "Who starts")
        form.starter.draw(canvas, stack.take(LINE), form.focused is form.starter)
        stack.take(GAP)
    strip = Rect(inner.left, inner.bottom - canvas.px(BUTTONS), inner.width, canvas.px(BUTTONS))
    notice = stack.take(NOTICE)
    notice.height = strip.top - notice.top
    _draw_notice(canvas, notice, form)
    for button, place in zip(form.buttons, row(strip, 2, canvas.px(12)), strict=True):
        button.draw(canvas, place, form.focused is button)


def _draw_title(canvas: Canvas, place: Rect) -> None:
    size = 31 * min(1.0, place.height / (TITLE * canvas.unit))
    title = canvas.text(
        "Lifelong Agent", size=size, bold=True, width=place.width, topleft=place.topleft
    )
    words = "Games against somebody who remembers you."
    start = (place.left, title.bottom + canvas.px(2))
    canvas.text(words, size=13.5, colour=MUTED, width=place.width, topleft=start)


def _draw_label(canvas: Canvas, place: Rect, words: str) -> None:
    canvas.text(words, size=LETTERS, colour=MUTED, topleft=place.topleft)


def _draw_notice(canvas: Canvas, place: Rect, form: Form) -> None:
    """What the agent has to say of the person and of the game."""
    if not form.against_agent:
        return
    before = canvas.surface.get_clip()
    canvas.surface.set_clip(place)
    if not form.is_awake:
        canvas.paragraph("The agent is waking up…", place, 14, MUTED)
    else:
        y = place.top
        if form.untrained:
            y = canvas.paragraph(UNTRAINED, place, 14, BAD) + canvas.px(6)
        if form.record is not None:
            rest = Rect(place.left, y, place.width, place.bottom - y)
            y = canvas.paragraph(describe(form.asked, form.record), rest, 14) + canvas.px(7)
            if form.record.games:
                draw_record(canvas, Rect(place.left, y, place.width, canvas.px(8)), form.record)
    canvas.surface.set_clip(before)


def describe(name: str, record: Record) -> str:
    """The agent's games against somebody, told to that person."""
    if not record.games:
        return f"The agent has not met {name} yet."
    games = "one game" if record.games == 1 else f"{record.games} games"
    return (
        f"The agent remembers {games} with {name}: {record.losses} won by you, "
        f"{record.draws} drawn, {record.wins} won by it."
    )


def draw_record(canvas: Canvas, place: Rect, record: Record) -> None:
    """A bar: the person's share of the games, the draws', the agent's."""
    canvas.panel(place, EDGE, radius=4)
    persons = round(place.width * record.losses / record.games)
    agents = round(place.width * record.wins / record.games)
    if persons > 1:
        canvas.panel(Rect(place.left, place.top, persons, place.height), PERSON, radius=4)
    if agents > 1:
        agents_place = Rect(place.right - agents, place.top, agents, place.height)
        canvas.panel(agents_place, AGENT, radius=4)
