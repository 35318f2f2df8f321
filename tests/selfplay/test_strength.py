import pytest
import torch

from lifelong_agent import DualStreamNetwork
from lifelong_agent.weights import save_network
from selfplay.strength import LADDERS, bench_strength, value_keeping
from tests.lifelong_agent.probes import SMALL

CPU = torch.device("cpu")


@pytest.mark.slow
def test_every_learned_game_is_measured_on_its_own_ladder(tmp_path, monkeypatch) -> None:
    for ladder in LADDERS:
        monkeypatch.setitem(LADDERS, ladder, ("random",))
    save_network(tmp_path, DualStreamNetwork(SMALL), games=["tron", "volley:moon"])
    rows = bench_strength(tmp_path, CPU, 0, 2, ["connect", "tron", "volley:moon"])
    assert [row.name for row in rows] == [
        "tron against random, 2 games",
        "volley:moon against random, 2 games",
        "volley:moon against random",
    ]
    assert 0 <= rows[0].value <= 1
    assert -5 <= rows[2].value <= 5


def test_a_game_that_was_not_learned_is_not_measured(tmp_path) -> None:
    save_network(tmp_path, DualStreamNetwork(SMALL), games=["tron"])
    with pytest.raises(ValueError, match="has learned none of volley"):
        bench_strength(tmp_path, CPU, 0, 2, ["volley"])


def test_a_random_move_keeps_a_third_of_the_decisive_positions() -> None:
    share, chance = value_keeping(DualStreamNetwork(SMALL), CPU)
    assert chance == pytest.approx(0.352, abs=0.001)
    assert 0.1 < share < 0.7, "an untrained network knows no better"
