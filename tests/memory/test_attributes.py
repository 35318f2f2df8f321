"""Things made of parts: a shape, a colour and a texture, mixed into one vector."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory import MemoryDamagedError
from memory.attributes import AttributeConfig, AttributeDictionary
from memory.factors import Axes, dependence, find_axes, gather, whiten

PARTS, WIDTH, FACTORS = 10, 4, 3
SIZE = FACTORS * WIDTH


class World:
    """Things made of `FACTORS` parts, `PARTS` known kinds of each; one more is kept back."""

    def __init__(self, seed: int = 0, factors: int = FACTORS) -> None:
        self.rng = np.random.default_rng(seed)
        self.factors, size = factors, factors * WIDTH
        self.looks = np.stack([self._distinct_looks() for _ in range(factors)])
        turns = np.linalg.qr(self.rng.standard_normal((2, size, size)))[0]
        self.mixture = turns[0] * self.rng.uniform(0.5, 2, size) @ turns[1]
        kinds = list(itertools.product(range(PARTS), repeat=3))
        self.rng.shuffle(kinds)
        self.unseen, self.seen = np.array(kinds[:300]), np.array(kinds[300:])

    def _distinct_looks(self) -> np.ndarray:
        looks = np.zeros((0, WIDTH))
        while len(looks) <= PARTS:
            look = self.rng.standard_normal(WIDTH)
            look /= np.linalg.norm(look)
            if not len(looks) or (looks @ look).max() < 0.6:
                looks = np.vstack([looks, look])
        return looks

    def see(self, things: np.ndarray) -> np.ndarray:
        parts = self.looks[np.arange(self.factors), things]
        clean = parts.reshape(len(things), -1) @ self.mixture
        return (clean + 0.05 * self.rng.standard_normal(clean.shape)).astype(np.float32)

    def draw(self, num: int) -> np.ndarray:
        return self.seen[self.rng.integers(len(self.seen), size=num)]


def taught(world: World, groups: int = FACTORS, codes: int = 16) -> AttributeDictionary:
    dictionary = AttributeDictionary(SIZE, groups, codes, AttributeConfig(warm_up=1500, settle=400))
    for _ in range(3):
        dictionary.learn(world.see(world.draw(1500)))
    return dictionary


@pytest.fixture
def world() -> World:
    """The same world in every test, with the same chance whichever tests ran before."""
    world = World()
    world.rng = np.random.default_rng(1)
    return world


@pytest.fixture(scope="module")
def known() -> AttributeDictionary:
    return taught(World())


def readable(codes: np.ndarray, things: np.ndarray) -> float:
    """Share of parts that the code of the best group tells, when each code stands for one part."""
    shares = []
    for factor in range(things.shape[1]):
        told = []
        for group in range(codes.shape[1]):
            table = np.zeros((49, PARTS))
            np.add.at(table, (codes[:, group], things[:, factor]), 1)
            told.append(table.max(1).sum() / len(things))
        shares.append(max(told))
    return min(shares)


def strangeness(dictionary: AttributeDictionary, tokens: np.ndarray) -> np.ndarray:
    """(N,), of the strangest part of each token; above 1 it was never seen."""
    parts, heard = dictionary._parts(tokens)
    return np.where(heard, dictionary._residuals(parts)[1] / dictionary.limits, 0).max(1)


def test_the_parts_of_things_never_seen_together_are_told_by_known_codes(world, known) -> None:
    things, before = world.unseen, known.in_use.copy()
    tokens = world.see(things)
    assert readable(known.describe(tokens), things) >= 0.95
    assert (strangeness(known, tokens) > 1).mean() <= 0.05
    assert known.learn(tokens) <= 1
    assert (known.in_use != before).sum() <= 1


def test_one_group_as_large_cannot_tell_them(world) -> None:
    monolithic = taught(world, groups=1, codes=48)
    assert readable(monolithic.describe(world.see(world.unseen)), world.unseen) < 0.6


def test_most_codes_are_used(known) -> None:
    assert known.in_use.mean() >= 0.6


def test_a_part_never_seen_opens_a_code_and_changes_no_old_description(world) -> None:
    dictionary = taught(world)
    old = world.see(world.draw(300))
    before, keys, frozen = dictionary.describe(old), dictionary.keys.copy(), dictionary.frozen
    zebras = world.draw(50)
    zebras[:, 0] = PARTS  # the shape kept back
    tokens = world.see(zebras)
    assert (strangeness(dictionary, tokens) > 1).mean() >= 0.9
    assert dictionary.learn(tokens) == 1
    assert (strangeness(dictionary, world.see(zebras)) <= 1).mean() >= 0.9
    assert frozen.sum() >= 20
    assert np.array_equal(dictionary.keys[frozen], keys[frozen])
    assert (dictionary.describe(old) == before).mean() >= 0.99


def test_settled_keys_stay_whatever_is_learned_later(world) -> None:
    dictionary = taught(world)
    old, frozen = world.see(world.draw(300)), dictionary.frozen
    keys, before = dictionary.keys.copy(), dictionary.describe(old)
    other = World(seed=9)
    for _ in range(5):
        dictionary.learn(other.see(other.draw(500)))
    assert np.array_equal(dictionary.keys[frozen], keys[frozen])
    assert (dictionary.describe(old) == before).mean() >= 0.9


def test_a_key_is_the_mean_direction_of_its_tokens_until_it_settles() -> None:
    dictionary = AttributeDictionary(2, 1, 8, AttributeConfig(settle=3))
    dictionary.keys[0, 0], dictionary.counts[0, 0] = (1, 0), 1
    dictionary.limits[0] = 2
    dictionary._move(0, np.array([[0.0, 1.0]]))
    assert dictionary.keys[0, 0] == pytest.approx([0.5**0.5, 0.5**0.5])
    dictionary._move(0, np.array([[1.0, 0.0]]))  # (2 * key + token) / length
    settled = np.array([2 * 0.5**0.5 + 1, 2 * 0.5**0.5])
    assert dictionary.keys[0, 0] == pytest.approx(settled / np.linalg.norm(settled))
    dictionary._move(0, np.array([[-1.0, 0.0]]))
    assert dictionary.keys[0, 0] == pytest.approx(settled / np.linalg.norm(settled))


def test_a_dead_code_is_revived_for_a_new_part_and_a_living_one_is_not() -> None:
    dictionary = AttributeDictionary(2, 1, 8)
    angles = np.arange(8) / 4 * np.pi
    dictionary.keys[0] = np.stack([np.cos(angles), np.sin(angles)], 1)
    dictionary.counts[0], dictionary.ages[0] = 100, 10_000
    assert not dictionary._open(0, np.array([0.6, 0.8]))
    dictionary.counts[0, 5] = 3  # of 10,000: an even share were 1,250
    assert dictionary._open(0, np.array([0.6, 0.8]))
    assert dictionary.keys[0, 5] == pytest.approx([0.6, 0.8])
    assert dictionary.counts[0, 5] == 1


def test_the_groups_are_uncorrelated(world, known) -> None:
    tokens = world.see(world.draw(2000))
    shared = np.corrcoef(((tokens - known.axes.centre) @ known.axes.projection).T)
    inside = np.kron(np.eye(FACTORS), np.ones((WIDTH, WIDTH))) > 0
    assert np.abs(shared[~inside]).max() < 0.12
    assert np.abs(np.corrcoef(tokens.T)[~inside]).max() > 0.3


def test_bits_are_the_set_of_codes() -> None:
    dictionary = AttributeDictionary(16)
    bits = dictionary.bits(
        np.array([[0, -1, -1, -1, -1, -1, -1, 15], [0, 1, -1, -1, -1, -1, -1, -1]])
    )
    assert bits.shape == (16,)
    assert np.flatnonzero(np.unpackbits(bits)).tolist() == [0, 17, 127]


def test_before_the_warm_up_nothing_is_known() -> None:
    dictionary = AttributeDictionary(16)
    tokens = np.ones((3, 16), np.float32)
    assert dictionary.learn(tokens) == 0
    assert (dictionary.describe(tokens) == -1).all()
    assert not dictionary.bits(dictionary.describe(tokens)).any()


def test_however_much_comes_at_once_the_axes_are_found_in_two_warm_ups_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first match of 3,000 decisions kept the first sleep for three seconds."""
    asked: list[int] = []

    def noted(tokens: np.ndarray, *rest: Any) -> Axes:
        asked.append(len(tokens))
        return find_axes(tokens, *rest)

    monkeypatch.setattr("memory.attributes.find_axes", noted)
    dictionary = AttributeDictionary(SIZE, FACTORS, 16, AttributeConfig(warm_up=600, settle=400))
    things = world.draw(6000)
    dictionary.learn(world.see(things))
    assert asked == [1200]
    _, heard = dictionary._parts(world.see(things))
    assert abs(int(dictionary.counts.sum()) - int(heard.sum())) < 0.02 * heard.sum()
    unseen = world.see(world.unseen)
    assert (strangeness(dictionary, unseen) < 1).mean() > 0.9


def test_the_same_tokens_make_the_same_dictionary() -> None:
    again = World()
    twin = AttributeDictionary(SIZE, FACTORS, 16, AttributeConfig(warm_up=1500, settle=400))
    other = AttributeDictionary(SIZE, FACTORS, 16, AttributeConfig(warm_up=1500, settle=400))
    for _ in range(2):
        tokens = again.see(again.draw(1500))
        twin.learn(tokens)
        other.learn(tokens)
    assert np.array_equal(twin.keys, other.keys)
    assert np.array_equal(twin.describe(tokens), other.describe(tokens))


def test_saved_and_loaded_it_goes_on_as_if_nothing_had_happened(world, known, tmp_path) -> None:
    path = tmp_path / "attributes.safetensors"
    known.save(path)
    twin = AttributeDictionary(SIZE, FACTORS, 16, known.config)
    twin.load(path)
    tokens = world.see(world.draw(200))
    assert np.array_equal(twin.describe(tokens), known.describe(tokens))
    twin.learn(tokens)
    known.learn(tokens)
    assert np.array_equal(twin.keys, known.keys)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_warm_up_survives_a_restart(tmp_path) -> None:
    path = tmp_path / "attributes.safetensors"
    dictionary = AttributeDictionary(16)
    dictionary.learn(np.ones((5, 16), np.float32))
    dictionary.save(path)
    twin = AttributeDictionary(16)
    twin.load(path)
    assert len(twin._waiting) == 5


@pytest.mark.parametrize("harm", ["cut", "flip", "gone", "foreign", "empty"])
def test_a_damaged_file_is_named(known, harm: str, tmp_path: Path) -> None:
    path = tmp_path / "attributes.safetensors"
    known.save(path)
    content = bytearray(path.read_bytes())
    twin = AttributeDictionary(SIZE, FACTORS, 16, known.config)
    if harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "flip":
        content[-100] ^= 1
        path.write_bytes(content)
    elif harm == "gone":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        twin = AttributeDictionary(SIZE, 4, 16)
    with pytest.raises(MemoryDamagedError, match=str(path)):
        twin.load(path)


def test_a_flip_of_any_bit_is_noticed(known, tmp_path) -> None:
    path = tmp_path / "attributes.safetensors"
    known.save(path)
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(len(content), size=40):
        harmed = bytearray(content)
        harmed[place] ^= 1 << int(place) % 8
        path.write_bytes(harmed)
        twin = AttributeDictionary(SIZE, FACTORS, 16, known.config)
        with pytest.raises(MemoryDamagedError):
            twin.load(path)


def test_what_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        AttributeDictionary(30, 8)
    dictionary = AttributeDictionary(16)
    with pytest.raises(ValueError, match="finite tokens of 16"):
        dictionary.learn(np.full((2, 16), np.nan, np.float32))
    with pytest.raises(ValueError, match="finite tokens of 16"):
        dictionary.describe(np.zeros((2, 8), np.float32))


def test_mutual_information_by_hand() -> None:
    ramp = np.arange(600.0)
    alternate = np.arange(600.0).reshape(6, 100).T.reshape(-1)
    shared = dependence(np.stack([ramp, ramp * 2, alternate], 1))
    assert shared[0, 1] == pytest.approx(np.log(6))  # one tells the other
    assert shared[0, 2] == pytest.approx(0, abs=0.01)  # and nothing of the third
    assert gather(np.array([[0, 0, 5, 0], [0, 0, 0, 1], [5, 0, 0, 0], [0, 1, 0, 0.0]]), 2).reshape(
        2, 2
    ).tolist() == [[0, 2], [1, 3]]


def test_whitening_does_not_blow_up_a_silent_axis() -> None:
    tokens = np.random.default_rng(0).standard_normal((4000, 3)) * (1, 1, 1e-6)
    centre, whitening = whiten(tokens)
    spread = ((tokens - centre) @ whitening).std(0)
    assert sorted(spread.round(1)) == [0.0, 1.0, 1.0]
