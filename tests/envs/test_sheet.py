"""`python -m envs`: names, pictures, complaints; and the page that shows the pictures."""

import dataclasses
import itertools
import re
import struct
from pathlib import Path

import pytest
import torch

import envs
from envs import sheet
from envs.__main__ import main

DOCS = Path(__file__).parents[2] / "docs"
GAMES = sorted(envs.GAMES)


def test_every_variant_is_printed(capsys):
    main(["list"])
    printed = capsys.readouterr().out.split()
    assert printed == [name for game in GAMES for name in envs.list_variants(game)]
    main(["list", "--game", "tron"])
    assert capsys.readouterr().out.split() == list(envs.list_variants("tron"))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "the following arguments are required: {list,sheet}"),
        (["draw"], "invalid choice: 'draw' (choose from"),
        (["list", "--game", "chess"], "invalid choice: 'chess' (choose from"),
        (["list", "--what"], "unrecognized arguments: --what"),
        (["sheet"], "the following arguments are required: --out"),
        (["sheet", "--out", "/nowhere/at/all"], "there is no folder /nowhere/at/all"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_exit_code_2(args, words, capsys):
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.startswith("error: ")
    assert complaint.count("\n") == 1


def test_a_sheet_is_drawn_of_every_game(tmp_path, monkeypatch):
    short = {n: dataclasses.replace(p, ticks=1, ahead=1) for n, p in sheet.PLANS.items()}
    monkeypatch.setattr(sheet, "PLANS", short)
    main(["sheet", "--game", "tron", "--out", str(tmp_path)])
    header = (tmp_path / "games-tron.png").read_bytes()[:24]
    width, height = struct.unpack(">II", header[16:])
    assert header[1:4] == b"PNG"
    assert (width, height) == (1280, 1042)


def test_every_game_has_a_plan_with_valid_combinations():
    assert sorted(sheet.PLANS) == GAMES
    for name, plan in sheet.PLANS.items():
        for mixed in plan.mixed:
            assert envs.make(f"{name}:{mixed}").variant == f"{name}:{mixed}"


def test_the_game_of_a_picture_is_under_way_and_the_same_every_time():
    plan = dataclasses.replace(sheet.PLANS["tron"], ticks=30)
    game = envs.make("tron")
    first, second = sheet.sensible_game(game, plan), sheet.sensible_game(game, plan)
    assert not first.ended.any()
    assert first.ticks.item() > 20, "random games last a dozen ticks"
    assert torch.equal(first.trails, second.trails)


@pytest.mark.parametrize("name", GAMES)
def test_the_page_says_what_every_modifier_does_and_shows_it(name):
    page = (DOCS / "games.md").read_text(encoding="utf-8")
    chapter = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert f"(games-{name}.png)" in chapter
    assert (DOCS / f"games-{name}.png").exists()
    rows = dict(re.findall(r"^\| `(\w+)` \|(.+)\|$", chapter, re.MULTILINE))
    assert set(rows) == set(envs.GAMES[name].MODIFIERS)
    for words in itertools.chain.from_iterable(row.split("|") for row in rows.values()):
        assert len(words.split()) >= 2


def test_the_page_counts_the_variants():
    page = (DOCS / "games.md").read_text(encoding="utf-8")
    counts = {len(envs.list_variants(game)) for game in GAMES}
    assert counts == {128}
    assert f"{counts.pop()} variants of each, {128 * len(GAMES)} in all" in page
