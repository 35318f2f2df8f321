"""What is drawn: nothing leaves the window, colours say whose, overlays come from numbers."""

import itertools
import os
import sys
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pygame
import pytest
import torch

from memory import Recalled, SleepReport
from tests.window.stand_in import StandIn
from window import theme
from window.aftermath import Aftermath
from window.display import open_window
from window.overlay import Look, draw_looks, draw_mind_panel, expectation, prominence
from window.rivals import Afterthought
from window.theme import AGENT, PERSON, Canvas, mix, shorten, split
from window.thinker import Mind, read_mind

SIZES = [(640, 480), (1024, 704), (1920, 1080), (3840, 2160), (480, 640), (600, 1000), (2400, 600)]


def near(colour, other, tolerance=70):
    return sum(abs(a - b) for a, b in zip(tuple(colour)[:3], other, strict=True)) < tolerance


@pytest.mark.parametrize("size", SIZES)
def test_stage_and_side_lie_inside_and_apart(size):
    stage, side = split(Canvas(pygame.Surface(size)))
    whole = pygame.Rect((0, 0), size)
    assert whole.contains(stage)
    assert whole.contains(side)
    assert not stage.colliderect(side)
    assert min(*stage.size, *side.size) > 0.3 * min(size)


@pytest.mark.parametrize("size", SIZES)
def test_menu_match_pause_and_aftermath_fit_every_window(sit_down, size):
    table = sit_down(StandIn(habit=(6, 5)), name="W" * 24, show_mind=True)
    surface = pygame.Surface(size)
    whole = surface.get_rect()

    def drawn():
        table.screen.draw(Canvas(surface))
        return table.screen

    menu = drawn()
    table.until(lambda: menu.resting)
    drawn()
    widgets = [menu.field.rect, *menu.starter._rects, *menu.opponent._rects, *menu.game._rects]
    widgets += [menu.start.rect, menu.leave.rect, *menu.modifiers._rects]
    assert_apart(widgets, whole)
    table.start()
    match = drawn()
    assert_apart([match._pause.rect, match._mind.rect, match._leave.rect], whole)
    assert whole.contains(match.board._plan.grid.unionall([match.board._plan.hand]))
    table.play(1, 1)
    table.until_my_turn()
    drawn()
    match.paused = True
    drawn()
    assert_apart([match._resume.rect, match._give_up.rect], whole)
    match.paused = False
    table.play(1, 1)
    table.until(lambda: match.aftermath.settled and not match.board.moving)
    drawn()
    assert_apart([match._again.rect, match._menu.rect], whole)


def assert_apart(rects, whole):
    for rect in rects:
        assert whole.contains(rect)
        assert rect.width > 30
        assert rect.height > 14
    for one, other in itertools.combinations(rects, 2):
        assert not one.colliderect(other)


@pytest.fixture
def written(monkeypatch):
    """Every line that is written: its words and where they stand."""
    lines, write = [], Canvas.text

    def spy(self, words, **how):
        lines.append((words, write(self, words, **how)))
        return lines[-1][1]

    monkeypatch.setattr(Canvas, "text", spy)
    return lines


@pytest.mark.parametrize("size", [*SIZES, (480, 320)])
def test_no_label_of_the_menu_is_covered(sit_down, written, size):
    table = sit_down()
    table.until(lambda: table.screen.resting)
    written.clear()
    table.screen.draw(Canvas(pygame.Surface(size)))
    menu = table.screen
    widgets = [menu.field.rect, *menu.opponent._rects, *menu.starter._rects]
    labels = [rect for words, rect in written if words in ("Your name", "Against", "Who starts")]
    assert len(labels) == 3
    for label in labels:
        assert label.collidelist(widgets) == -1


@pytest.mark.parametrize("size", [*SIZES, (480, 320)])
def test_what_to_press_is_told_to_the_end(sit_down, monkeypatch, size):
    table, cut = sit_down(game="volley"), []
    table.start()
    whole = theme.shorten

    def spy(words, letters, width):
        shown = whole(words, letters, width)
        cut.extend({words} - {shown})
        return shown

    monkeypatch.setattr(theme, "shorten", spy)
    table.screen.draw(Canvas(pygame.Surface(size)))
    assert table.match.board.hint not in cut


def test_a_memory_of_all_opponents_is_told_as_one_with_anybody(written):
    open_window()
    shared = Recalled(-1, 0, 0.9, 1.0, "")
    mind = Mind(0, (1.0,), 0.0, (), np.zeros((0, 0), np.float32), (shared,))
    canvas = Canvas(pygame.Surface((960, 640)))
    namer = SimpleNamespace(listed_actions=(), name_action=lambda action: "going up")
    draw_mind_panel(canvas, pygame.Rect(0, 0, 400, 600), mind, namer)
    assert "going up: +0.9, 100% alike, with anybody" in [words for words, _ in written]


@pytest.mark.parametrize("size", [*SIZES, (480, 320)])
def test_names_of_actions_stand_beside_their_bars(written, monkeypatch, size):
    open_window()
    bars, names = [], ("forward jump", "backward jump")
    monkeypatch.setattr(Canvas, "panel", lambda self, place, *_, **__: bars.append(place))
    canvas = Canvas(pygame.Surface(size))
    mind = Mind(0, (0.0, 1.0), 0.0, (), np.zeros((0, 0), np.float32), ())
    namer = SimpleNamespace(listed_actions=names, name_action=str)
    draw_mind_panel(canvas, split(canvas)[1], mind, namer)
    bar = bars[0]
    told = [rect for words, rect in written if words in names]
    shares = [rect for words, rect in written if words in ("0%", "100%")]
    assert len(told) == len(shares) == 2
    assert max(rect.right for rect in told) < bar.left
    assert bar.right < min(rect.left for rect in shares)
    assert bar.width > 30


@pytest.mark.parametrize("size", [*SIZES, (480, 320)])
def test_an_open_mind_stays_above_the_buttons(sit_down, written, size):
    table = sit_down(StandIn(), game="volley:moon+wind", name="Ana", show_mind=True)
    table.start()
    table.until(lambda: table.match.mind is not None)
    written.clear()
    canvas = Canvas(pygame.Surface(size))
    table.screen.draw(canvas)
    side, buttons = split(canvas)[1], {"Pause", "P", "Mind", "M", "Leave", "Esc"}
    told = [rect for words, rect in written if words not in buttons]
    lines = [rect for rect in told if rect.left >= side.left and rect.top >= side.top]
    shares = [rect for words, rect in written if words.endswith("%")]
    assert max(rect.bottom for rect in lines) <= table.match._pause.rect.top
    assert all(not one.colliderect(other) for one, other in itertools.combinations(shares, 2))
    assert bool(shares) == ("How likely each action was" in [words for words, _ in written])


@pytest.mark.parametrize("size", SIZES)
def test_a_long_word_about_sleep_stays_above_the_buttons(size):
    open_window()
    summary, sleep = Future(), Future()
    summary.set_result(StandIn(games=[("connect", "Ana")]).end_game(1.0))
    sleep.set_result(SleepReport(True, "rehearsed 13 games, kept what 13 taught; " * 3))
    thoughts = Afterthought(summary, sleep, lambda: 1.0)
    surface = pygame.Surface(size)
    canvas = Canvas(surface)
    place = pygame.Rect(0, 0, canvas.px(300), canvas.px(260))
    Aftermath(thoughts, lambda frame, size: None, str).draw(canvas, place)
    assert surface.subsurface(place).get_bounding_rect()
    below = surface.subsurface((0, place.bottom, size[0], size[1] - place.bottom))
    assert not pygame.surfarray.array3d(below).any()


def test_the_persons_discs_are_yellow_and_the_agents_red(sit_down):
    table = sit_down(StandIn(habit=(6,)))
    table.start()
    table.play(1)
    table.until_my_turn()
    table.tick()
    surface, plan = pygame.display.get_surface(), table.match.board._plan
    spot = plan.cell // 5
    mine, its = plan.square(0, 0).center, plan.square(6, 0).center
    assert near(surface.get_at((mine[0] - spot, mine[1])), PERSON)
    assert near(surface.get_at((its[0] - spot, its[1])), AGENT)


def test_the_hand_shows_the_disc_over_the_column_below_the_mouse(sit_down):
    table = sit_down()
    table.start()
    table.move_to((10, 10))
    plan = table.match.board._plan
    above = (plan.square(4, 0).centerx - plan.cell // 5, plan.hand.centery)
    assert not near(pygame.display.get_surface().get_at(above), PERSON)
    table.move_to(plan.square(4, 2).center)
    assert near(pygame.display.get_surface().get_at(above), PERSON)


def test_only_the_winning_line_keeps_its_colour_once_the_game_has_ended(sit_down):
    table = sit_down(StandIn(habit=(6,)))
    table.start()
    table.play(1, 1, 1, 1)
    table.until(lambda: not table.match.board.moving)
    table.tick()
    surface, plan = pygame.display.get_surface(), table.match.board._plan
    spot = plan.cell // 5
    line, rest = plan.square(0, 3).center, plan.square(6, 0).center
    assert near(surface.get_at((line[0] - spot, line[1])), PERSON)
    assert not near(surface.get_at((rest[0] - spot, rest[1])), AGENT)


def test_a_thumbnail_shows_what_the_agent_saw_in_the_persons_colours(sit_down):
    table = sit_down(StandIn(habit=(6,)))
    table.start()
    table.play(1, 2)
    table.until_my_turn()
    picture = table.match.board.thumbnail(table.agent.last_frame, 70)
    assert picture.get_size() == (70, 60)
    assert near(picture.get_at((5, 55)), PERSON)
    assert near(picture.get_at((15, 55)), PERSON)
    assert near(picture.get_at((65, 55)), AGENT)
    assert not near(picture.get_at((65, 45)), AGENT)


def test_a_mind_is_the_decision_in_plain_numbers():
    frame, mask = np.zeros((3, 64, 64), np.uint8), np.ones(16, bool)
    mind = read_mind(StandIn(habit=(4,)).act({"observation": frame, "action_mask": mask}))
    assert mind.action == 4
    assert mind.probabilities[4] == pytest.approx(0.7)
    assert mind.value == pytest.approx(0.62)
    assert mind.fixations == ((52, 36),)
    assert mind.saliency.shape == (8, 8)
    assert mind.saliency.sum() == pytest.approx(1.0, abs=1e-5)
    assert [memory.trace_id for memory in mind.recalled] == [9, 4]  # most alike first


def test_an_even_spread_of_saliency_gives_no_glow_and_a_certain_one_all():
    assert prominence(np.full((8, 8), 1 / 64, np.float32)).max() == 0
    certain = np.zeros((8, 8), np.float32)
    certain[2, 3] = 1
    assert prominence(certain)[2, 3] == 1
    half = np.zeros((2, 2), np.float32)
    half[0] = 0.5
    assert prominence(half)[0, 0] == pytest.approx((0.5 - 0.25) / 0.75)


def test_the_glow_is_brightest_in_the_middle_of_what_drew_the_eye():
    open_window()
    surface = pygame.Surface((640, 640))
    saliency = np.full((8, 8), 0.1 / 63, np.float32)
    saliency[6, 1] = 0.9
    mind = Mind(0, (1.0,), 0.0, (), saliency, ())
    draw_looks(Canvas(surface), Look((0, 0), 10, surface.get_rect()), mind)
    light = pygame.surfarray.array3d(surface).sum(2)
    brightest = np.argwhere(light == light.max()).mean(0)
    assert np.abs(brightest - (120, 520)).max() < 6
    assert light[500, 100] == 0


def test_expectations_are_put_into_words():
    assert expectation(0.0) == "an even game"
    assert expectation(0.3) == "it hopes to win"
    assert expectation(-0.3) == "it fears to lose"
    assert expectation(0.6) == "it expects to win"
    assert expectation(-0.99) == "it is sure to lose"


def test_long_words_are_cut_to_their_room():
    open_window()
    letters = theme.font(20)
    assert shorten("short", letters, 500) == "short"
    cut = shorten("a very long name indeed", letters, 90)
    assert cut.endswith("…")
    assert letters.size(cut)[0] <= 90
    assert shorten("abc", letters, 0) == ""


def test_letters_come_from_somewhere_without_fonts_on_the_machine(monkeypatch):
    open_window()
    monkeypatch.setattr(pygame.font, "match_font", lambda *args, **named: None)
    theme._font_files.cache_clear()
    try:
        assert str(theme._font_files()[0]).endswith("DejaVuSans.ttf")
        monkeypatch.setattr(theme.importlib.util, "find_spec", lambda name: None)
        theme._font_files.cache_clear()
        assert theme._font_files() == (None, None)
        theme.font.cache_clear()
        assert theme.font(20).size("word")[0] > 0
    finally:
        theme._font_files.cache_clear()
        theme.font.cache_clear()


def test_colours_mix_by_shares():
    assert mix((0, 10, 200), (100, 10, 0), 0.25) == (25, 10, 150)


def test_cards_scroll_only_as_far_as_there_are_cards(sit_down):
    table = sit_down(StandIn(habit=(6, 5)))
    table.start()
    table.play(1, 1, 1, 1)
    table.until(lambda: table.match.aftermath.settled)
    table.tick()
    aftermath, small = table.match.aftermath, pygame.Surface((640, 480))
    table.screen.draw(Canvas(small))
    for _ in range(50):
        pygame.event.post(pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=-1))
    for event in pygame.event.get():
        table.screen.handle(event)
    assert aftermath._scroll == aftermath._hidden_units > 0
    for _ in range(50):
        aftermath._move(-40)
    assert aftermath._scroll == 0


def test_decisions_without_looks_have_an_empty_map():
    decision = StandIn().act(
        {"observation": np.zeros((3, 64, 64), np.uint8), "action_mask": np.ones(16, bool)}
    )
    blind = type(decision)(
        **{
            **vars(decision),
            "saliency": torch.zeros(1, 0, 8, 8),
            "fixations": torch.zeros(1, 0, 2, dtype=torch.int64),
        }
    )
    mind = read_mind(blind)
    assert mind.saliency.size == 0
    assert mind.fixations == ()


def test_pygame_says_no_hello():
    assert "window" in sys.modules
    assert os.environ["PYGAME_HIDE_SUPPORT_PROMPT"]
