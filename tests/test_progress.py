"""Progress bars write often to a terminal, and seldom to a file."""

import io
import sys

import pytest

from sandbox_envs.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("output", "least", "most"), [(io.StringIO, 6, 8), (Terminal, 50, 62)])
def test_bar_of_a_minute_writes_every_ten_seconds_where_the_output_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, output: type[io.StringIO], least: int, most: int
) -> None:
    seconds = 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: seconds)
    monkeypatch.setattr(sys, "stderr", output())
    with progress_bar(total=60) as bar:
        for _ in range(60):
            seconds += 1
            bar.update()
    text = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert least <= text.count("\r") <= most
    assert "60/60" in text


def test_without_standard_error_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar(range(3), desc="x")) == [0, 1, 2]
