"""How many games are lost until one is not."""

import json

import lines
import pytest

from selfplay.players import Stubborn


@pytest.mark.parametrize(("results", "lost"), [([-1, -1, 0], 2), ([1], 0), ([-1] * 4, 4)])
def test_losses_are_counted_until_a_game_is_not_lost(monkeypatch, results, lost):
    knobs = []

    def play(game, agent, seat, opponent):
        knobs.append(agent.lines.config)
        return results[len(knobs) - 1]

    monkeypatch.setattr(lines, "play_live", play)
    options = lines.Meetings(games=4, liking=0.5, doubt=3.0)
    assert lines.losses(options, 1, Stubborn(3)) == lost
    assert {(config.liking, config.doubt) for config in knobs} == {(0.5, 3.0)}


def test_who_was_passed_over_is_not_met(monkeypatch, tmp_path):
    everybody = [(n % 2, Stubborn(n)) for n in range(5)]
    monkeypatch.setattr(lines, "winning_opponents", lambda *_: iter(everybody))
    monkeypatch.setattr(lines, "losses", lambda options, seat, opponent: int(opponent.name[-1]))
    path = tmp_path / "lines.json"
    words = f"lines.py --opponents 3 --skip 2 --games 4 --json {path}"
    monkeypatch.setattr("sys.argv", words.split())
    lines.main()
    report = json.loads(path.read_text())
    assert report["losses"] == {"stubborn:2": 2, "stubborn:3": 3, "stubborn:4": 4}
    assert (report["mean"], report["most"], report["never"]) == (3, 4, 1)
