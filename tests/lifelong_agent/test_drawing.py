"""The picture of the circuits shows every block and every road of the declared graph."""

import re
import xml.etree.ElementTree as ET

import pytest

from lifelong_agent.circuits import CircuitConfig, Circuits
from lifelong_agent.drawing import columns, draw, main, places, roads
from lifelong_agent.weights import PRETRAINED

SMALL = CircuitConfig(series=12, fast=10, reverberating=8, after_discharge=6)


@pytest.fixture(scope="module")
def circuits():
    return Circuits(5, SMALL)


def test_every_road_has_its_source_its_target_and_its_width(circuits):
    found = {(road.source, road.target, road.width) for road in roads(circuits)}
    assert found == {
        ("reading", "series", 5),
        ("series", "diverging", 12),
        ("diverging", "converging", 10),
        ("diverging", "reverberating", 8),
        ("diverging", "after_discharge", 6),
        ("reverberating", "converging", 8),
        ("after_discharge", "converging", 6),
        ("converging", "features", 5),
        ("reading", "features", 5),
    }


def test_blocks_stand_in_the_order_in_which_they_are_reached_and_never_on_each_other(circuits):
    ways = roads(circuits)
    at = columns(ways)
    assert at == {
        "reading": 0, "series": 1, "diverging": 2, "reverberating": 3, "after_discharge": 3,
        "converging": 4, "features": 5,
    }  # fmt: skip
    spots = places(ways)
    assert spots.keys() == at.keys() | {"fast"}, "what passes has a lane of its own"
    assert len(set(spots.values())) == len(spots)


def test_the_picture_has_all_blocks_roads_widths_and_delays(circuits):
    axes = draw(circuits).axes[0]
    drawn = {patch.get_gid() for patch in axes.patches} - {None}
    ways = roads(circuits)
    names = {block.name for block in circuits.blocks} | {"reading"}
    assert drawn == names | {f"{road.source}-{road.target}" for road in ways} | {"loop"}
    words = [text.get_text() for text in axes.texts]
    shown = sorted(int(word) for word in words if word.isdigit())
    delays = circuits.after_discharge.delays
    assert shown == sorted([road.width for road in ways] + list(delays))
    assert f"{SMALL.reverberating} x {SMALL.reverberating}" in words
    colours = {p.get_facecolor() for p in axes.patches if p.get_gid() in names}
    assert len(colours) == 6, "five circuit types, and the two ends in one colour"


def test_the_command_writes_the_same_picture_twice(tmp_path, capsys):
    paths = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for path in paths:
        main(["--out", str(path)])
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    ids = {element.get("id") for element in ET.fromstring(first).iter()}
    assert {"series", "diverging", "reverberating", "after_discharge", "converging"} < ids
    assert capsys.readouterr().out.split() == [str(path) for path in paths]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--out"),
        (["--out", "circuits.txt"], "is no picture: known are .svg, .png, .pdf"),
        (["--out", "nowhere/circuits.svg"], "nowhere"),
        (["--out", "x.svg", "--agent", "nobody"], "cannot read nobody"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_exit_code_2(
    args, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(args)
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.match(f"error: .*{re.escape(message)}", line)


def test_the_picture_in_the_documentation_is_that_of_the_shipped_agent(tmp_path):
    main(["--out", str(tmp_path / "now.svg"), "--agent", str(PRETRAINED)])
    shipped = PRETRAINED.parent.parent / "docs" / "circuits.svg"
    now, then = (path.read_text(encoding="utf-8") for path in (tmp_path / "now.svg", shipped))
    for what in (r"<!-- (.*?) -->", r'id="([a-z_-]+)"'):  # words and numbers; boxes and roads
        found = re.findall(what, now)
        assert len(found) > 10
        assert found == re.findall(what, then)
