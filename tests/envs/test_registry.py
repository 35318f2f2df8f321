"""Names to games: `game` or `game:modifier+modifier`."""

from typing import ClassVar

import pytest

import envs
from envs.connect import Connect


class Toy(Connect):
    """A game with modifiers, whatever the real ones may be."""

    name = "toy"
    MODIFIERS: ClassVar = {"wet": "it rains", "dry": "it does not", "big": "large"}
    CLASHES: ClassVar = (frozenset({"wet", "dry"}),)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(envs.GAMES, "toy", Toy)


def test_a_name_makes_its_game():
    assert isinstance(envs.make("connect"), Connect)
    assert envs.make("connect").variant == "connect"


def test_the_order_of_modifiers_does_not_matter():
    first, second = envs.make("toy:wet+big"), envs.make("toy:big+wet")
    assert first.variant == second.variant == "toy:big+wet"
    assert first.modifiers == second.modifiers == {"wet", "big"}


def test_an_unknown_game_raises_and_names_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown game 'chess': known are .*connect.*toy"):
        envs.make("chess")


@pytest.mark.parametrize("name", ["", "Connect", " connect", "connect "])
def test_a_name_has_to_be_exact(name):
    with pytest.raises(ValueError, match="unknown game"):
        envs.make(name)


def test_an_unknown_modifier_raises_and_names_the_known_ones():
    with pytest.raises(ValueError, match="unknown modifier 'hot' of toy: known are big, dry, wet"):
        envs.make("toy:hot")


@pytest.mark.parametrize("name", ["toy:", "toy:wet+", "toy:+wet", "toy:wet:big", "toy:wet, big"])
def test_a_broken_list_of_modifiers_raises(name):
    with pytest.raises(ValueError, match="unknown modifier"):
        envs.make(name)


def test_a_repeated_modifier_raises_and_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'wet' is given twice: known are big, dry, wet"):
        envs.make("toy:wet+wet")


def test_clashing_modifiers_raise_and_the_known_ones_are_named():
    with pytest.raises(ValueError, match=r"dry and wet clash in toy: known are big, dry, wet"):
        envs.make("toy:wet+big+dry")


@pytest.mark.parametrize("name", sorted(envs.GAMES))
def test_a_game_rejects_an_unknown_modifier(name):
    with pytest.raises(ValueError, match=f"unknown modifier 'nonsense' of {name}"):
        envs.make(f"{name}:nonsense")


def test_actions_are_checked_only_where_that_is_asked_for():
    assert envs.make("connect", validate=True).validate
    assert not envs.make("connect").validate


@pytest.mark.parametrize("times", [0, -1, 2.0, True, "2"])
def test_an_action_is_repeated_a_whole_number_of_times(times):
    with pytest.raises(ValueError, match="action_repeat must be a whole number from 1 on"):
        envs.make("tron", action_repeat=times)


def test_where_players_take_turns_no_action_is_repeated():
    assert envs.make("connect", action_repeat=1).action_repeat == 1
    with pytest.raises(ValueError, match="no action is repeated in connect"):
        envs.make("connect", action_repeat=2)


def test_every_valid_variant_is_listed_once_under_its_canonical_name_the_classic_first():
    names = envs.list_variants("toy")
    assert names == ("toy", "toy:big", "toy:dry", "toy:wet", "toy:big+dry", "toy:big+wet")
    assert all(envs.make(name).variant == name for name in names)


def test_there_are_at_least_sixty_variants_and_each_game_has_twenty():
    numbers = {name: len(envs.list_variants(name)) for name in ("connect", "tron", "volley")}
    assert min(numbers.values()) >= 20
    assert sum(numbers.values()) >= 60


def test_variants_of_an_unknown_game_cannot_be_listed():
    with pytest.raises(ValueError, match="unknown game 'chess'"):
        envs.list_variants("chess")
