"""What all commands share."""

import pytest
from rich.table import Table

from selfplay.cli import print_whole


def test_a_wide_table_is_printed_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    table = Table("what", "value", "its peer's", "ratio")
    name = "connect against connect/negamax-4, 1000 games, and so on"
    table.add_row(name, "0.929", "an opponent with a long name", "1.00")
    print_whole(table)
    assert name in capsys.readouterr().out
