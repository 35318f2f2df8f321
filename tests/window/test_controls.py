"""Keys and gamepads as actions."""

import pygame
import pytest
from pygame.event import Event

from envs.volley import ACTIONS
from window.controls import DOWN, LEFT, RIGHT, UP, Holding, Steering, make_hand
from window.gamepad import Gamepads


def down(key):
    return Event(pygame.KEYDOWN, key=key)


def up(key):
    return Event(pygame.KEYUP, key=key)


def steered(*keys, heading=UP):
    hand = Steering()
    hand.handle(down({UP: pygame.K_UP, RIGHT: pygame.K_RIGHT}[heading]))
    hand.take()
    for key in keys:
        hand.handle(down(key))
    return [hand.take() for _ in range(len(keys) + 1)]


def test_two_quick_turns_are_made_one_after_the_other_and_then_it_goes_straight():
    assert steered(pygame.K_LEFT, pygame.K_DOWN) == [LEFT, DOWN, DOWN]
    assert steered(pygame.K_d, pygame.K_s) == [RIGHT, DOWN, DOWN]


def test_nobody_turns_round_on_the_spot_or_twice_the_same_way():
    assert steered(pygame.K_DOWN) == [UP, UP]
    assert steered(pygame.K_UP, pygame.K_RIGHT) == [RIGHT, RIGHT, RIGHT]
    assert steered(pygame.K_RIGHT, pygame.K_LEFT) == [RIGHT, RIGHT, RIGHT]


def test_three_turns_can_wait_and_a_fourth_is_lost():
    keys = (pygame.K_LEFT, pygame.K_DOWN, pygame.K_RIGHT, pygame.K_UP)
    assert steered(*keys) == [LEFT, DOWN, RIGHT, RIGHT, RIGHT]


def test_before_the_start_the_last_direction_counts_and_up_is_the_default():
    hand = Steering()
    for key in (pygame.K_RIGHT, pygame.K_DOWN):
        hand.handle(down(key))
    assert hand.take() == DOWN
    assert Steering().take() == UP


@pytest.mark.parametrize(
    ("keys", "action"),
    [
        ((), "none"),
        ((pygame.K_RIGHT,), "forward"),
        ((pygame.K_d, pygame.K_SPACE), "forward jump"),
        ((pygame.K_UP,), "jump"),
        ((pygame.K_w, pygame.K_a), "backward jump"),
        ((pygame.K_LEFT,), "backward"),
        ((pygame.K_LEFT, pygame.K_RIGHT), "forward"),
    ],
)
def test_held_keys_are_one_of_six_actions_as_long_as_they_are_held(keys, action):
    hand = Holding()
    for key in keys:
        hand.handle(down(key))
    assert [ACTIONS[hand.take()] for _ in range(3)] == [action] * 3
    for key in keys:
        hand.handle(up(key))
    assert ACTIONS[hand.take()] == "none"


def test_a_tap_between_two_ticks_is_done_once_and_release_lets_go():
    hand = Holding()
    hand.handle(down(pygame.K_SPACE))
    hand.handle(up(pygame.K_SPACE))
    assert [ACTIONS[hand.take()] for _ in range(2)] == ["jump", "none"]
    hand.handle(down(pygame.K_RIGHT))
    hand.release()
    assert ACTIONS[hand.take()] == "none"


def test_a_game_without_a_hand_is_refused():
    class Chess:
        name = "chess"

    with pytest.raises(ValueError, match="no keys for 'chess': there are some for tron, volley"):
        make_hand(Chess())


def keys_of(pads, event):
    return [(e.type == pygame.KEYDOWN, e.key) for e in pads.translate(event)]


def axis(value, number=0):
    return Event(pygame.JOYAXISMOTION, instance_id=0, axis=number, value=value)


def test_a_stick_is_the_arrows_with_a_gap_between_pressing_and_releasing():
    pads = Gamepads()
    assert keys_of(pads, axis(0.5)) == []
    assert keys_of(pads, axis(0.6)) == [(True, pygame.K_RIGHT)]
    assert keys_of(pads, axis(0.4)) == []
    assert keys_of(pads, axis(0.3)) == [(False, pygame.K_RIGHT)]
    assert keys_of(pads, axis(-1.0, 1)) == [(True, pygame.K_UP)]
    assert keys_of(pads, axis(1.0, 1)) == [(False, pygame.K_UP), (True, pygame.K_DOWN)]
    assert keys_of(pads, axis(1.0, 4)) == []  # a trigger


def test_a_cross_and_buttons_are_keys_and_other_events_pass():
    pads = Gamepads()
    hat = Event(pygame.JOYHATMOTION, instance_id=0, hat=0, value=(-1, 1))
    assert keys_of(pads, hat) == [(True, pygame.K_LEFT), (True, pygame.K_UP)]
    gone = Event(pygame.JOYDEVICEREMOVED, instance_id=0)
    assert keys_of(pads, gone) == [(False, pygame.K_LEFT), (False, pygame.K_UP)]
    press = Event(pygame.JOYBUTTONDOWN, instance_id=0, button=0)
    assert keys_of(pads, press) == [(True, pygame.K_SPACE)]
    assert keys_of(pads, Event(pygame.JOYBUTTONUP, instance_id=0, button=15)) == []
    quit_event = Event(pygame.QUIT)
    assert pads.translate(quit_event) == [quit_event]


def test_a_pad_that_is_gone_before_it_is_opened_does_no_harm():
    pads = Gamepads()
    assert pads.translate(Event(pygame.JOYDEVICEADDED, device_index=99)) == []
