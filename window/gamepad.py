"""Gamepads as keys: stick and cross are the arrows, buttons are Space, Esc, Delete, M, Pause.

So whatever can be operated by keys can be operated by a gamepad, in every screen. Pads may come
and go at any time.
"""

from __future__ import annotations

import contextlib

import pygame
from pygame.event import Event

PRESSED_AT, RELEASED_AT = 0.55, 0.35  # of the stick's way
NUM_STICK_AXES = 2
BUTTON_KEYS = {
    0: pygame.K_SPACE, 1: pygame.K_ESCAPE, 2: pygame.K_DELETE, 3: pygame.K_m,
    6: pygame.K_ESCAPE, 7: pygame.K_PAUSE, 8: pygame.K_ESCAPE, 9: pygame.K_PAUSE,
}  # fmt: skip
AXIS_KEYS = ((pygame.K_LEFT, pygame.K_RIGHT), (pygame.K_UP, pygame.K_DOWN))
JOYSTICK_EVENTS = (
    *(pygame.JOYAXISMOTION, pygame.JOYHATMOTION, pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP),
    *(pygame.JOYDEVICEADDED, pygame.JOYDEVICEREMOVED),
)

Source = tuple[int, str, int]


class Gamepads:
    """All pads that are plugged in."""

    def __init__(self) -> None:
        self._pads: dict[int, pygame.joystick.JoystickType] = {}
        self._pushed: dict[Source, int] = {}  # a stick's or cross's axis to its key
        with contextlib.suppress(pygame.error):  # a system without joysticks is no trouble
            pygame.joystick.init()  # tells of pads that are there already by events

    def translate(self, event: Event) -> list[Event]:
        """The keys that an event stands for; any other event is handed on as it is."""
        if event.type not in JOYSTICK_EVENTS:
            return [event]
        if event.type == pygame.JOYDEVICEADDED:
            self._plug_in(event.device_index)
        elif event.type == pygame.JOYDEVICEREMOVED:
            return self._pull_out(event.instance_id)
        elif event.type == pygame.JOYHATMOTION:
            right, up = event.value
            return self._push((event.instance_id, "hat", 0), right) + self._push(
                (event.instance_id, "hat", 1), -up
            )
        elif event.type == pygame.JOYAXISMOTION:
            if event.axis < NUM_STICK_AXES:
                return self._push((event.instance_id, "stick", event.axis), event.value)
        elif event.button in BUTTON_KEYS:
            goes_down = event.type == pygame.JOYBUTTONDOWN
            return [_key(BUTTON_KEYS[event.button], goes_down)]
        return []

    def _plug_in(self, index: int) -> None:
        try:
            pad = pygame.joystick.Joystick(index)
        except pygame.error:  # gone again
            return
        self._pads[pad.get_instance_id()] = pad

    def _pull_out(self, pad: int) -> list[Event]:
        """Whatever was pushed on it springs back."""
        self._pads.pop(pad, None)
        sources = [source for source in self._pushed if source[0] == pad]
        return [event for source in sources for event in self._push(source, 0.0)]

    def _push(self, source: Source, way: float) -> list[Event]:
        """An axis stands at `way` in [-1, 1]: which key goes up, which goes down."""
        before = self._pushed.get(source)
        wanted = before if abs(way) > RELEASED_AT else None
        if abs(way) > PRESSED_AT:
            wanted = AXIS_KEYS[source[2]][way > 0]
        if wanted == before:
            return []
        if wanted is None:
            del self._pushed[source]
        else:
            self._pushed[source] = wanted
        changes = ((before, False), (wanted, True))
        return [_key(key, goes_down) for key, goes_down in changes if key is not None]


def _key(key: int, goes_down: bool) -> Event:
    kind = pygame.KEYDOWN if goes_down else pygame.KEYUP
    return Event(kind, key=key, unicode="", mod=0, scancode=0, pad=True)
