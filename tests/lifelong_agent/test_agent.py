from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import envs
from envs import legal_of
from lifelong_agent import DualStreamNetwork, LifelongAgent, NetworkConfig
from lifelong_agent.keys import KEY_SIZE, KeyEncoder, sketch
from memory import fingerprint
from memory.inspection import inspect
from selfplay.adapt import play_game, play_live, winning_opponents
from selfplay.players import Stubborn
from selfplay.rollout import random_positions


@pytest.fixture(scope="module")
def network() -> DualStreamNetwork:
    torch.manual_seed(0)
    return DualStreamNetwork(NetworkConfig())


def observation(game: envs.Game, state: envs.State) -> dict:
    return {
        "observation": game.frame(state, state.seat)[0],
        "action_mask": legal_of(state, state.seat)[0],
    }


def fresh(game: envs.Game) -> envs.State:
    return game.init(1, torch.Generator())


def test_two_boards_that_differ_by_one_disc_are_told_apart(network: DualStreamNetwork) -> None:
    game = envs.make("connect")
    generator = torch.Generator().manual_seed(1)
    state = random_positions(game, 400, 30, 0.8, generator)
    cells = torch.tensor([c * 7 + r for c in range(7) for r in range(6)])
    cell = cells[torch.randint(42, (400,), generator=generator)]
    boards = state.boards.clone()
    other_disc = boards[:, 1] & (1 << cell)
    boards[:, 1] ^= other_disc  # one disc less of the other's
    boards[:, 0] ^= torch.where(other_disc == 0, 1 << cell, 0)  # or one more, or less, of its own
    seat = torch.zeros(400, dtype=torch.int64)
    one = game.frame(state, seat)
    other = game.frame(game.from_boards(boards, seat), seat)
    keys = KeyEncoder.unfitted(network.config.eyes.reading)
    with torch.no_grad():
        key = keys(network.eyes(one).reading, one)
        other_key = keys(network.eyes(other).reading, other)
        again = keys(network.eyes(one).reading, one)
    apart = (key - other_key).square().sum(1) > 1e-4
    same = (key - again).square().sum(1) < 1e-8
    codes = [
        fingerprint(a.numpy()) != fingerprint(b.numpy()) for a, b in zip(one, other, strict=True)
    ]
    assert apart.float().mean() >= 0.99
    assert np.mean(codes) == 1
    assert same.all()


def test_keys_have_unit_length(network: DualStreamNetwork) -> None:
    frames = torch.randint(0, 255, (5, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        readings = network.eyes(frames).reading
    keys = KeyEncoder.fit(torch.randn(200, readings.shape[1]))(readings, frames)
    assert keys.shape == (5, KEY_SIZE)
    assert torch.allclose(keys.norm(dim=1), torch.ones(5), atol=1e-5)
    assert torch.equal(sketch(frames), sketch(frames.clone()))


def test_a_lost_game_makes_the_agent_play_differently_the_next_time(
    network: DualStreamNetwork,
) -> None:
    game = envs.make("connect", validate=True)
    agent = LifelongAgent(network)
    opponent = Stubborn(1)
    results = [play_live(game, agent, 0, opponent) for _ in range(2)]
    games = list(agent.hippocampus.store.read_episodes("connect", opponent.name))
    assert results[0] == -1
    assert [t.action for t in games[0].traces] != [t.action for t in games[1].traces]
    assert agent.record(opponent.name).games == 2
    assert agent.record("nobody").games == 0


def test_a_trace_whose_advice_turned_out_right_is_refreshed_at_the_end_of_the_game(
    network: DualStreamNetwork,
) -> None:
    game, agent = envs.make("connect"), LifelongAgent(network)
    for _ in range(2):  # one decision each, and won
        agent.begin_game("connect", "ana")
        agent.act(observation(game, fresh(game)))
        agent.end_game(1)
        agent.hippocampus.fade()
    one, two = agent.hippocampus.store.read_episodes("connect", "ana")
    assert [t.action for t in one.traces] == [t.action for t in two.traces]
    assert [(t.recalls, t.refreshed) for t in one.traces] == [(1, 1)]
    assert [(t.recalls, t.refreshed) for t in two.traces] == [(0, 1)]


def test_what_was_seen_is_remembered_though_the_caller_writes_over_it(
    network: DualStreamNetwork,
) -> None:
    agent = LifelongAgent(network)
    frame, mask = np.zeros((3, 64, 64), np.uint8), np.ones(16, bool)
    agent.begin_game("connect", "ana")
    agent.act({"observation": frame, "action_mask": mask})
    frame[:], mask[:] = 255, False
    agent.end_game(1)
    ((trace,),) = (e.traces for e in agent.hippocampus.store.read_episodes("connect", "ana"))
    assert trace.frame.max() == 0
    assert trace.legal_actions.all()


def test_a_line_is_not_gone_again_where_it_has_become_illegal(network: DualStreamNetwork) -> None:
    agent = LifelongAgent(network)
    frame, mask = np.zeros((3, 64, 64), np.uint8), np.ones(16, bool)
    actions = []
    for _ in range(2):
        agent.begin_game("connect", "ana")
        actions.append(int(agent.act({"observation": frame, "action_mask": mask}).actions))
        agent.end_game(1)
        mask[actions[0]] = False
    assert actions[1] != actions[0]


def test_without_a_memory_of_it_the_agent_plays_as_its_network_does(
    network: DualStreamNetwork,
) -> None:
    game = envs.make("connect")
    state = fresh(game)
    agent = LifelongAgent(network)
    agent.begin_game("connect", "ana")
    decision = agent.act(observation(game, state))
    with torch.no_grad():
        thought = network(
            game.frame(state, state.seat), legal_of(state, state.seat), network.initial_state(1)
        )
    assert torch.allclose(decision.probabilities, thought.log_probs.exp(), atol=1e-6)
    assert decision.probabilities[0, 7:].sum() == 0
    assert decision.fixations.shape == (1, 2, 2)


def test_the_recurrent_state_is_carried_within_a_game_and_not_between_games(
    network: DualStreamNetwork,
) -> None:
    game = envs.make("connect")
    agent = LifelongAgent(network)
    first = []
    for _ in range(2):
        agent.begin_game("connect", "ana")
        first.append(agent.act(observation(game, fresh(game))).value)
        carried = agent.act(observation(game, fresh(game))).value
    assert torch.equal(*first)
    assert not torch.equal(first[0], carried)


def test_saved_and_loaded_it_decides_the_same(network: DualStreamNetwork, tmp_path: Path) -> None:
    game = envs.make("connect")
    keys = KeyEncoder.fit(torch.randn(200, network.config.eyes.reading))
    agents = [LifelongAgent(network, keys=keys)]
    agents[0].save(tmp_path)
    agents.append(LifelongAgent.load(tmp_path))
    assert not list(tmp_path.glob("*.p*kl*"))
    decisions = []
    for agent in agents:
        agent.begin_game("connect", "ana")
        decisions.append(agent.act(observation(game, fresh(game))))
    assert torch.equal(decisions[0].probabilities, decisions[1].probabilities)
    assert torch.equal(agents[0].keys.projection, agents[1].keys.projection)


def test_what_does_not_fit_is_refused_in_words(network: DualStreamNetwork) -> None:
    agent = LifelongAgent(network)
    game = envs.make("connect")
    obs = observation(game, fresh(game))
    with pytest.raises(RuntimeError, match="begin_game"):
        agent.act(obs)
    with pytest.raises(RuntimeError, match="begin_game"):
        agent.end_game(1)
    with pytest.raises(ValueError, match="name"):
        agent.begin_game("connect", " ")
    with pytest.raises(ValueError, match="at most 1000 letters, not 1001"):
        agent.begin_game("connect", "a" * 1001)  # which `verify` and `import` would refuse
    with pytest.raises(ValueError, match="a game needs a name"):
        agent.begin_game("", "ana")
    with pytest.raises(ValueError, match="at most 1000 letters, not 1001"):
        agent.begin_game("a" * 1001, "ana")
    agent.begin_game("connect", "ana")
    with pytest.raises(ValueError, match="uint8 frame"):
        agent.act(obs | {"observation": obs["observation"][:, :32]})
    for less in (obs["observation"], {"observation": obs["observation"]}):
        with pytest.raises(ValueError, match="an observation and an action_mask"):
            agent.act(less)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="something legal"):
        agent.act(obs | {"action_mask": torch.zeros(16, dtype=torch.bool)})
    with pytest.raises(ValueError, match="between -1 and 1"):
        agent.end_game(2)


def test_a_missing_agent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no agent at"):
        LifelongAgent.load(tmp_path / "nowhere")


def test_it_knows_what_its_network_was_trained_on(network: DualStreamNetwork, tmp_path) -> None:
    assert LifelongAgent(network).trained_games == ()
    assert {"connect", "tron", "volley", "tron:fog"} <= set(
        LifelongAgent.pretrained().trained_games
    )
    LifelongAgent(network, trained_games=("tron", "volley:moon")).save(tmp_path)
    assert LifelongAgent.load(tmp_path).trained_games == ("tron", "volley:moon")


@pytest.mark.slow
def test_people_under_another_name_are_met_with_what_they_taught() -> None:
    """Most are held at once in the disguise; without the memory they win, and nobody is known."""
    game, held = envs.make("connect"), 0
    winners = winning_opponents(game, LifelongAgent.pretrained().network, 0)
    for seat, opponent in islice(winners, 8):
        agent, control = LifelongAgent.pretrained(), LifelongAgent.pretrained()
        while play_live(game, agent, seat, opponent) < 0:
            pass
        assert play_game(game, agent, seat, opponent) >= 0
        name, opponent.name = opponent.name, "somebody"
        held += play_game(game, agent, seat, opponent) >= 0
        assert f"Plays like {name}" in " ".join(agent.end_game(1).notes)
        assert play_game(game, control, seat, opponent) < 0
        (note,) = control.end_game(-1).notes
        assert note == "I have met somebody once: I won 0, drew 0 and lost 1."
    assert held >= 5


def test_a_memory_made_with_other_weights_is_known_again(tmp_path: Path) -> None:
    game = envs.make("connect", validate=True)
    keys = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        agent = LifelongAgent(DualStreamNetwork(NetworkConfig()), tmp_path)
        if not keys:
            agent.begin_game("connect", "Ann")
            agent.act(observation(game, fresh(game)))
            agent.end_game(1.0)
        frame = torch.as_tensor(observation(game, fresh(game))["observation"])[None]
        key = agent._keys_of(frame.numpy())
        recall = agent.hippocampus.recall(key, 1)
        assert recall.distances[0, 0] < 1e-4, "the same frame has the same key, whoever made it"
        keys.append(key)
        agent.close()
    assert np.square(keys[0] - keys[1]).sum() > 0.1, "the encoders differ"


def test_a_result_of_minus_zero_is_a_draw_that_is_remembered(
    network: DualStreamNetwork, tmp_path: Path
) -> None:
    for games in (1, 2):
        agent = LifelongAgent(network, tmp_path)
        agent.begin_game("volley", "ana")
        agent.act(observation(game := envs.make("connect"), fresh(game)))
        agent.end_game(-0.0)
        agent.close()
        assert inspect(tmp_path) == []
        agent = LifelongAgent(network, tmp_path)
        assert agent.record("ana").draws == games
        agent.close()


def test_a_memory_of_frames_of_another_size_is_refused_in_one_line(
    network: DualStreamNetwork, tmp_path: Path
) -> None:
    small = NetworkConfig((3, 32, 32), 16)
    agent = LifelongAgent(DualStreamNetwork(small), tmp_path)
    agent.begin_game("connect", "ana")
    agent.act({"observation": np.zeros((3, 32, 32), np.uint8), "action_mask": np.ones(16, bool)})
    agent.end_game(1)
    agent.close()
    with pytest.raises(ValueError, match=r"frames are \(3, 32, 32\), this agent's \(3, 64, 64\)"):
        LifelongAgent(network, tmp_path)


@pytest.mark.parametrize("actions", [63, 64])
def test_more_actions_than_can_be_remembered_are_refused_before_the_game(
    actions: int, tmp_path: Path
) -> None:
    network = DualStreamNetwork(NetworkConfig(num_actions=actions))
    if actions == 64:
        with pytest.raises(ValueError, match="at most 63 actions can be remembered, not 64"):
            LifelongAgent(network, tmp_path / "m")
        assert not (tmp_path / "m").exists()
        return
    agent = LifelongAgent(network)
    agent.begin_game("many", "ana")
    frame, mask = np.zeros((3, 64, 64), np.uint8), np.ones(actions, bool)
    agent.act({"observation": frame, "action_mask": mask})
    agent.end_game(1)
    ((trace,),) = (e.traces for e in agent.hippocampus.store.read_episodes("many", "ana"))
    assert trace.legal_actions.all()
    assert len(trace.legal_actions) == actions


def test_folders_may_be_named_by_text_and_closed_twice(
    network: DualStreamNetwork, tmp_path: Path
) -> None:
    LifelongAgent(network).save(str(tmp_path / "agent"))
    agent = LifelongAgent.load(str(tmp_path / "agent"), str(tmp_path / "memory"))
    game = envs.make("connect")
    agent.begin_game("connect", "ana")
    agent.act(observation(game, fresh(game)))
    agent.end_game(1)
    agent.sleep(0.1)
    agent.close()
    agent.close()
    agent = LifelongAgent(network, str(tmp_path / "memory"))
    assert agent.record("ana").wins == 1
    agent.close()
    LifelongAgent.pretrained(str(tmp_path / "other")).close()
    with pytest.raises(ValueError, match="no agent at"):
        LifelongAgent.load("nowhere")
