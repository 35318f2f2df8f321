import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lifelong_agent import DualStreamNetwork, LifelongAgent, NetworkConfig
from memory import fingerprint
from selfplay import bench_recall
from selfplay.__main__ import main
from selfplay.bench_recall import play_episodes


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agent")
    LifelongAgent(DualStreamNetwork(NetworkConfig())).save(folder)
    return folder


def test_episodes_are_those_of_play(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_recall, "ROWS", 4)
    monkeypatch.setattr(bench_recall, "LONGEST", 12)
    episodes = list(islice(play_episodes(LifelongAgent.load(agent), 0), 10))
    assert {episode.game for episode in episodes} == {"connect", "tron", "volley"}
    for episode in episodes:
        assert -1 <= episode.result <= 1
        for trace in episode.traces:
            assert trace.code == fingerprint(trace.frame)
            assert np.linalg.norm(trace.key) == pytest.approx(1, abs=1e-4)
            assert trace.legal_actions[trace.action]
    states = [trace.state for trace in episodes[0].traces]
    assert not states[0].any()
    assert all(state.any() for state in states[1:])


def test_the_bench_gives_every_figure_at_every_size(
    agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"ROWS": 8, "LONGEST": 10, "QUERIES": 20, "TURNS": 1}
    for name, value in small.items():
        monkeypatch.setattr(bench_recall, name, value)
    monkeypatch.setattr(bench_recall, "GAMES", ("connect",))
    result = tmp_path / "recall.json"
    args = ["bench", "recall", "--agent", str(agent), "--traces", "30", "60", "300"]
    main([*args, "--json", str(result)])
    rows = {row["name"]: row["value"] for row in json.loads(result.read_text())["rows"]}
    for size in (30, 60, 300):
        assert rows[f"recall@1, {size} traces"] == 1
        assert rows[f"recall, p99, {size} traces"] > 0
        assert rows[f"opening, {size} traces"] > 0
        assert rows[f"on disk, {size} traces"] > 500


def test_sizes_that_do_not_rise_are_refused_in_one_line(
    agent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sizes in (("100000", "20000"), ("5",)):
        with pytest.raises(SystemExit) as stop:
            main(["bench", "recall", "--agent", str(agent), "--traces", *sizes])
        assert stop.value.code == 2
        assert "sizes of memory must rise" in capsys.readouterr().err
