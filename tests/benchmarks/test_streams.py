"""Probes on features of which it is known what can be read, and the streams' shapes."""

import json

import pytest
import things
import torch
from streams import (
    DUELS,
    FOUND,
    found,
    gaps,
    identity,
    main,
    named,
    narrow,
    over_games,
    place_of,
    read,
    ridge,
    see,
    windows,
)

from lifelong_agent.perception import Eyes, EyesConfig

SPOTS = torch.tensor([[[3.0, 5.0], [60.0, 33.0]], [[20.0, 20.0], [9.0, 63.9]]])


def test_a_ridge_of_two_points_is_the_one_worked_by_hand():
    probe = ridge(torch.tensor([[-1.0], [1.0]]), torch.tensor([[-1.0], [1.0]]))
    assert probe.flatten().tolist() == [pytest.approx(2 / 3), pytest.approx(0)]


def test_a_weight_of_two_is_a_row_that_stands_there_twice(generator):
    inputs, targets = (torch.randn(5, n, generator=generator) for n in (3, 2))
    weights = torch.tensor([1.0, 1.0, 2.0, 1.0, 1.0])
    twice = torch.tensor([0, 1, 2, 2, 3, 4])
    torch.testing.assert_close(
        ridge(inputs, targets, weights), ridge(inputs[twice], targets[twice])
    )


def test_narrowing_keeps_the_widest_directions_at_unit_spread(generator):
    wide = torch.randn(400, 6, generator=generator) * torch.tensor([9.0, 1, 1, 4, 1, 1])
    learned, held_out = narrow(wide[:300], wide[300:], 2)
    assert learned.shape == (300, 2)
    torch.testing.assert_close(learned.std(0), torch.ones(2))
    kept = torch.corrcoef(torch.cat([held_out, wide[300:]], 1).T)[:2, 2:].abs()
    assert kept[0, 0] > 0.95
    assert kept[1, 3] > 0.95


def test_places_are_counted_row_by_row():
    assert place_of(SPOTS, 8).tolist() == [[0, 7 * 8 + 4], [2 * 8 + 2, 8 + 7]]
    assert place_of(torch.tensor([63.9, 4.0]), 16) == 15 * 16 + 1


def test_windows_are_the_places_around_row_by_row():
    window = windows(torch.arange(36.0).view(1, 6, 6))[0, 2 * 6 + 3]
    assert window.view(4, 4)[:, 0].tolist() == [1, 7, 13, 19]
    assert window.view(4, 4)[2].tolist() == [13, 14, 15, 16]
    assert window.view(4, 4)[2, 2] == 2 * 6 + 3


def some_spots(rows, things, generator):
    return torch.rand(rows, things, 2, generator=generator) * 63


def marked(spots, generator, width=6):
    """(N, 64, width) small noise, and at the place of thing k a one in column k."""
    places = 0.1 * torch.randn(len(spots), 64, width, generator=generator)
    for thing in range(spots.shape[1]):
        places[torch.arange(len(spots)), place_of(spots[:, thing], 8), thing] += 1
    return places


def test_identity_is_read_where_it_is_marked_and_is_chance_where_not(generator):
    spots = some_spots(300, 3, generator), some_spots(200, 3, generator)
    places = marked(spots[0], generator), marked(spots[1], generator)
    assert identity(places, spots) > 0.95
    blank = marked(spots[0][:, :0], generator), marked(spots[1][:, :0], generator)
    assert identity(blank, spots) == pytest.approx(1 / 3, abs=0.08)


def test_a_thing_that_is_not_there_is_not_asked_for(generator):
    spots = some_spots(300, 2, generator), some_spots(200, 2, generator)
    places = marked(spots[0], generator), marked(spots[1], generator)
    spots[1][1:, 1] = torch.nan
    spots[1][0, 1] = spots[1][0, 0]  # the one that is left looks like the other kind
    places[1][0, :, 1] = 0
    assert identity(places, spots) == pytest.approx(0.5, abs=0.02), "both kinds count alike"


def test_a_thing_is_found_where_it_is_marked(generator):
    spots = some_spots(300, 1, generator), some_spots(200, 1, generator)
    places = marked(spots[0], generator), marked(spots[1], generator)
    assert found(places, (spots[0][:, 0], spots[1][:, 0])) > 0.95
    elsewhere = some_spots(200, 1, generator)[:, 0]
    assert found(places, (spots[0][:, 0], elsewhere)) < 0.1


def test_every_kind_counts_alike_in_naming(generator):
    truth = torch.tensor([0] * 90 + [1] * 10)
    vectors = torch.randn(100, 2, generator=generator)
    vectors[:, 0] = truth
    assert named((vectors, vectors), (truth, truth), 2) == 1
    blind = torch.zeros(100, 2)
    assert named((vectors, blind), (truth, truth), 2) == 0.5


def test_rows_and_columns_are_read_from_what_is_linear_in_them(generator):
    spots = torch.rand(500, 2, generator=generator) * 63
    whole = torch.cat([spots @ torch.randn(2, 5, generator=generator)], 1)
    assert read((whole[:300], whole[300:]), (spots[:300], spots[300:])) > 0.999
    blind = torch.randn(500, 5, generator=generator)
    assert read((blind[:300], blind[300:]), (spots[:300], spots[300:])) < 0.05


def test_the_streams_of_eyes_have_their_shapes():
    eyes = Eyes((3, 64, 64), EyesConfig(looks=1))
    seen = see(eyes, torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert {name: tuple(x.shape) for name, x in seen.places.items()} == {
        "ventral": (2, 64, 32), "dorsal": (2, 256, 16), "saliency": (2, 256, 16),
    }  # fmt: skip
    sizes = {"ventral": 2048, "dorsal": 4096, "saliency": 256, "reading": 128}
    sizes |= {"ventral pooled": 64, "dorsal pooled": 32}
    assert {name: x.shape[1] for name, x in seen.whole.items()} == sizes


def test_gaps_are_points_of_the_stream_that_should_be_ahead():
    columns = {"ventral": 70.0, "dorsal": 40.0, "saliency": 60.0, "reading": 55.0}
    columns |= {"ventral pooled": 1.0, "dorsal pooled": 2.0}
    questions = {question for question, _, _ in DUELS}
    runs = {f"agent {name}": [dict.fromkeys(questions, x)] for name, x in columns.items()}
    ahead = gaps(runs, "agent")
    assert ahead["identity: ventral less dorsal"] == [30]
    assert ahead[f"{FOUND}: saliency less ventral"] == [-10]
    assert len(ahead) == len(DUELS)


def test_a_question_is_averaged_over_the_games_that_asked_it():
    run = {"tron: identity": 60.0, "volley: identity": 80.0, "tron: alone, identity": 5.0}
    assert over_games(run) == {"identity": 70.0, "alone, identity": 5.0}


@pytest.mark.slow
def test_the_command_probes_and_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(things, "NUM_ALONE", 30)
    path = tmp_path / "out.json"
    words = ["--seeds", "1", "--num-games", "32", "--ticks", "60", "--json", str(path)]
    main(words)
    result = json.loads(path.read_text())
    assert len(result["points"]) == 12
    assert 20 < result["points"]["agent ventral"][0]["volley: identity"] <= 100
    assert len(result["gaps"]["control"]) == len(DUELS)


def test_a_missing_agent_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--agent", str(tmp_path / "nobody")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: no agent at")
