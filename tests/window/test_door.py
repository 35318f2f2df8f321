"""play.py: the command line, what users can get wrong, and machines without a screen."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pygame
import pytest

import play
from lifelong_agent import DualStreamNetwork, LifelongAgent, NetworkConfig
from tests.window.stand_in import StandIn
from tests.window.test_looks import near
from window import display
from window.theme import AGENT, PERSON

ROOT = Path(play.__file__).parent


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained agent on disk."""
    folder = tmp_path_factory.mktemp("weights")
    LifelongAgent(DualStreamNetwork(NetworkConfig())).save(folder)
    return folder


@pytest.fixture
def no_display(monkeypatch):
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if not sys.platform.startswith("linux"):
        monkeypatch.setattr(play, "has_display", lambda: False)


def complaint(arguments, capsys):
    """The one line that a refused command line gives."""
    with pytest.raises(SystemExit) as stop:
        play.main(arguments)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--game", "chess"], "unknown game 'chess': known are connect"),
        (["--game", "connect:slippery"], "unknown modifier 'slippery'"),
        (["--game", "tron:slippery"], "unknown modifier 'slippery' of tron: known are"),
        (["--game", "tron:fog+fog"], "modifier 'fog' is given twice"),
        (["--opponent", "nobody"], "no opponent 'nobody' for connect: known are agent"),
        (["--game", "volley", "--opponent", "tron/voronoi"], "no opponent 'tron/voronoi' for vol"),
        (["--opponent", ""], "no opponent '' for connect"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--seed", "-1"], "the seed is a whole number"),
        (["--seed", "many"], "many"),
        (["--seed", "many"], "--seed INT Of all chance."),
        (["--seed"], "--seed"),
        (["--bogus", "1"], "--bogus"),
        (["extra"], "extra"),
        (["--demo", "-3"], "at least 1 move"),
        (["--name", "x" * 25], "at most 24 letters"),
        (["--name", "a\nb"], "no line breaks"),
        (["--screenshot", "picture.txt"], "ends in .png"),
        (["--screenshot", "/nowhere/at/all.png"], "cannot write /nowhere/at/all.png"),
        (["--json", "/nowhere/report.json"], "cannot write /nowhere/report.json"),
        (["--agent", "/nowhere"], "no agent at /nowhere"),
        (["--agent", "/nowhere", "--memory", "mem"], "no agent at /nowhere"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in complaint(arguments, capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_memory_is_named(capsys, tmp_path, weights):
    (tmp_path / "mem").write_text("not a folder")
    arguments = ["--agent", str(weights), "--memory", str(tmp_path / "mem")]
    assert str(tmp_path / "mem") in complaint(arguments, capsys)


def test_two_programs_on_one_memory_are_refused(capsys, tmp_path, weights):
    holder = LifelongAgent.load(weights, tmp_path / "mem")
    try:
        arguments = ["--agent", str(weights), "--memory", str(tmp_path / "mem")]
        assert "in use" in complaint(arguments, capsys)
    finally:
        holder.close()


def test_help_explains_and_ends_well(capsys):
    with pytest.raises(SystemExit) as stop:
        play.main(["--help"])
    assert not stop.value.code
    assert "--memory" in capsys.readouterr().out


def test_without_a_display_a_game_is_printed_move_by_move(no_display, capsys, tmp_path, weights):
    report = tmp_path / "report.json"
    arguments = ["--agent", str(weights), "--json", str(report), "--seed", "3"]
    play.main(arguments)
    out = capsys.readouterr().out
    told = json.loads(report.read_text())
    assert "no display" in out
    assert out.count("1 2 3 4 5 6 7") == len(told["moves"]) >= 7
    assert out.count("Move ") == len(told["moves"])
    assert told["agent_starts"] is True
    assert {1: "The agent won.", 0: "A draw.", -1: "The agent lost."}[told["result"]] in out
    assert "It slept: " in out
    assert list(tmp_path.iterdir()) == [report]


@pytest.mark.parametrize(
    ("game", "opponent"), [("tron:fog", "stubborn:2"), ("volley:bigball", "random")]
)
def test_without_a_display_games_by_the_clock_are_told_too(
    no_display, capsys, tmp_path, weights, game, opponent
):
    report, end = tmp_path / "report.json", tmp_path / "end.png"
    arguments = ["--agent", str(weights), "--json", str(report), "--screenshot", str(end)]
    play.main([*arguments, "--game", game, "--opponent", opponent])
    out, told = capsys.readouterr().out, json.loads(report.read_text())
    assert told["seats"] == ["agent", opponent]
    assert told["game"] == game
    assert "not been trained on this game" in out
    assert {1: "The agent won.", 0: "A draw.", -1: "The agent lost."}[told["result"]] in out
    assert out.count("\nAfter ") >= (5 if game.startswith("volley") else 1)
    assert pygame.image.load(end).get_size() == (1080, 720)
    if game.startswith("tron"):
        board = out.split("After ")[-1].splitlines()[1:33]
        assert [len(line.strip()) for line in board] == [32] * 32
        assert set("".join(board)) <= set(" .~#,xXoO*")
    else:
        assert "agent 5 : " in out or " : 5" in out


def test_without_a_display_the_picture_is_of_the_end_of_the_demonstration(
    no_display, tmp_path, weights
):
    picture = tmp_path / "end.png"
    play.main(["--agent", str(weights), "--screenshot", str(picture)])
    image = pygame.image.load(picture)
    colours = {tuple(image.get_at((x, y)))[:3] for x in range(0, 1080, 3) for y in range(0, 720, 3)}
    assert image.get_size() == (1080, 720)
    assert any(near(colour, PERSON) for colour in colours)
    assert any(near(colour, AGENT) for colour in colours)


def test_a_display_that_does_not_answer_is_none(monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":4711")
    if sys.platform.startswith("linux"):
        assert not display.has_display()


def test_the_headless_demonstration_repeats_exactly(no_display, capsys, weights):
    outputs = []
    for _ in range(2):
        play.main(["--agent", str(weights), "--seed", "8"])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_a_screenshot_on_a_screenless_driver_is_saved_and_the_program_leaves(tmp_path, weights):
    picture, memory = tmp_path / "menu.png", tmp_path / "mem"
    arguments = ["--agent", str(weights), "--memory", str(memory), "--screenshot", str(picture)]
    play.main(arguments)
    image = pygame.image.load(picture)
    assert image.get_size() == (1080, 720)
    assert (
        len({tuple(image.get_at((x, y))) for x in range(0, 1080, 9) for y in range(0, 720, 9)}) > 9
    )


@pytest.mark.slow
def test_a_demonstration_in_the_window_plays_saves_remembers_and_leaves(tmp_path, weights):
    memory, report = tmp_path / "mem", tmp_path / "report.json"
    arguments = ["--agent", str(weights), "--memory", str(memory), "--name", "Ana", "--json"]
    arguments += [str(report), "--demo", "30", "--screenshot", str(tmp_path / "end.png")]
    play.main(arguments)
    told = json.loads(report.read_text())
    assert told["games"] == told["wins"] + told["draws"] + told["losses"] == 1
    agent = LifelongAgent.load(weights, memory)
    assert agent.record("Ana").games == 1
    agent.close()


@pytest.mark.slow
def test_a_running_program_told_to_end_closes_its_memory_and_reports(tmp_path, weights):
    """In a process of its own, since it ends by a signal."""
    report = tmp_path / "report.json"
    command = [sys.executable, "play.py", "--agent", str(weights), "--memory", str(tmp_path / "m")]
    program = subprocess.Popen(
        [*command, "--name", "Ana", "--json", str(report)],
        cwd=ROOT,
        env={**os.environ, "SDL_VIDEODRIVER": "dummy", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stopper = threading.Timer(60, program.kill)
    stopper.start()
    lock = tmp_path / "m" / "memory.sqlite"
    while not lock.exists() and program.poll() is None:
        pass
    program.send_signal(signal.SIGTERM)
    out, err = program.communicate()
    stopper.cancel()
    assert (program.returncode, out, err) == (0, b"", b"")
    assert json.loads(report.read_text())["games"] == 0


def test_f12_saves_and_a_failure_does_not_end_the_game(sit_down, tmp_path):
    table = sit_down(StandIn(), screenshot=tmp_path / "shot.png")
    table.app._saved = True  # as if the first picture were taken
    table.start()
    table.press(pygame.K_F12)
    assert (tmp_path / "shot.png").exists()
    lost = sit_down(StandIn(), screenshot=tmp_path / "gone" / "shot.png")
    lost.app._saved = True
    lost.start()
    lost.press(pygame.K_F12)
    assert lost.app.running
    assert "cannot save" in pygame.display.get_caption()[0]


@pytest.mark.parametrize(
    ("drawn", "size"), [((100, 60), (480, 320)), ((300, 900), (480, 900)), ((640, 480), (640, 480))]
)
def test_a_window_too_small_for_words_grows_again(sit_down, drawn, size):
    table = sit_down()
    pygame.display.set_mode(drawn, pygame.RESIZABLE)
    table.tick()
    assert display.window_surface().get_size() == pygame.display.get_window_size() == size
