"""What all commands share."""

import pytest
from rich.table import Table

from selfplay.cli import print_whole, progress_bar


def test_a_wide_table_is_printed_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    table = Table("what", "value", "its peer's", "ratio")
    name = "connect against connect/negamax-4, 1000 games, and so on"
    table.add_row(name, "0.929", "an opponent with a long name", "1.00")
    print_whole(table)
    assert name in capsys.readouterr().out


def test_the_figures_of_a_bar_are_whole_beside_a_long_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with progress_bar("adapting", 500, "games") as tell:
        tell(400, "broken 19 of 20 (median 4), stubborn:104 ==========")
    bar = capsys.readouterr().err
    assert "adapting" in bar
    assert "400/500 games 0:00:00 left" in bar
    assert "broken 19 of 20" in bar
