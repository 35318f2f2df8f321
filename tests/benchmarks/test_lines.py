"""How many games are lost until one is not."""

import json

import lines
import pytest

from selfplay.players import Stubborn


@pytest.mark.parametrize(
    ("results", "again", "found"),
    [
        ([-1, -1, 0], 1, lines.Meeting(2, True)),
        ([1], -1, lines.Meeting(0, False)),
        ([-1] * 4, 1, lines.Meeting(4, None)),
    ],
)
def test_losses_are_counted_until_a_game_is_not_lost(monkeypatch, results, again, found):
    knobs, names = [], []

    def play(game, agent, seat, opponent):
        knobs.append(agent.lines.config)
        return results[len(knobs) - 1]

    def play_again(game, agent, seat, opponent):
        names.append(opponent.name)
        return again

    monkeypatch.setattr(lines, "play_live", play)
    monkeypatch.setattr(lines, "play_game", play_again)
    options = lines.Meetings(games=4, liking=0.5, doubt=3.0)
    assert lines.meet(options, 1, Stubborn(3)) == found
    assert {(config.liking, config.doubt) for config in knobs} == {(0.5, 3.0)}
    assert names == ["somebody"] * (found.held_again is not None)


@pytest.mark.gpu
def test_an_opponent_is_met_on_cuda():
    meeting = lines.meet(lines.Meetings(games=1, device="cuda"), 0, Stubborn(3))
    assert meeting.lost in (0, 1)


def test_a_device_that_is_not_there_is_named(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["lines.py", "--device", "cuda:99"])
    with pytest.raises(SystemExit) as stop:
        lines.main()
    assert stop.value.code == 2
    assert "no device 'cuda:99'" in capsys.readouterr().err


def test_who_was_passed_over_is_not_met(monkeypatch, tmp_path):
    everybody = [(n % 2, Stubborn(n)) for n in range(5)]
    monkeypatch.setattr(lines, "winning_opponents", lambda *_: iter(everybody))
    monkeypatch.setattr(
        lines, "meet", lambda options, seat, player: lines.Meeting(int(player.name[-1]), seat == 0)
    )
    path = tmp_path / "lines.json"
    words = f"lines.py --opponents 3 --skip 2 --games 4 --json {path}"
    monkeypatch.setattr("sys.argv", words.split())
    lines.main()
    report = json.loads(path.read_text())
    assert report["opponents"]["stubborn:3"] == {"lost": 3, "held_again": False}
    assert report["held under another name"] == 2
    assert (report["mean"], report["most"], report["never"]) == (3, 4, 1)
