"""Opponents whose every move is known, and pygame without a screen and without waiting."""

import pygame
import pytest
import torch

import envs


class Stubborn:
    """Always the same action; the first legal one where that is not allowed."""

    def __init__(self, action):
        self.name, self.action = f"always {action}", action
        self.begun = []

    def act(self, game, state, seat, generator):
        legal = state.legal_actions[torch.arange(len(seat)), seat]
        return torch.where(legal[:, self.action], self.action, legal.float().argmax(1))

    def reset(self, mask):
        self.begun.append(mask.clone())


class Cheat(Stubborn):
    """Always the same action, allowed or not."""

    def act(self, game, state, seat, generator):
        return torch.full_like(seat, self.action)


class ImpatientClock:
    def tick(self, frames_per_s):
        assert 1 <= frames_per_s <= 60
        return 0


@pytest.fixture
def unseen_window(monkeypatch):
    """Windows that nobody sees, and that nobody waits for."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(pygame.time, "Clock", ImpatientClock)


def spread(game, number):
    """So many variants of a game, the classic among them, from few modifiers to many."""
    names = envs.list_variants(game)
    step = max(1, (len(names) - 1) // max(1, number - 1))
    return names[::step][:number]
