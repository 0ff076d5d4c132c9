"""Files are whole or not there, and errors are sentences."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.files import append_line, atomic_write, read_json, read_lines, write_json


def test_a_file_whose_writing_fails_keeps_its_old_content(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"n": 1})
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "n": 1\n}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_an_unfinished_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_line(path, {"step": 1})
    append_line(path, {"step": 2})
    path.write_text(path.read_text() + '{"step": 3')
    assert read_lines(path) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize(
    "content", [b"[]", b"1", b"null", b'{"step": 1', b'{"step": "\xff"}', b"\0" * 8, b"[" * 100_000]
)
def test_what_is_no_json_object_is_refused_with_the_name_of_its_file(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match="file: it is damaged and cannot be read"):
        read_json(path)
    path.write_bytes(b'{"step": 1}\n' + content + b'\n{"step": 3}\n')
    with pytest.raises(UserError, match="file: a line in it is damaged"):
        read_lines(path)


def test_the_nearest_name_or_all_of_them() -> None:
    assert suggest("dustpn", ["sweeps", "dustpan"]) == "did you mean 'dustpan'?"
    assert suggest("x", ["sweeps", "dustpan"]) == "valid: dustpan, sweeps"
    assert suggest("x", []) == "there is none to choose from"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("this is wrong;\n  do that"), "error: this is wrong; do that"),
        (
            OSError(28, "No space left on device", "runs/x"),
            "error: No space left on device (runs/x)",
        ),
        (KeyboardInterrupt(), "stopped"),
    ],
)
def test_expected_errors_end_a_command_in_one_sentence(error: BaseException, sentence: str) -> None:
    @cli_errors
    def main(args: object) -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        main(SimpleNamespace(debug=False))
    assert str(end.value.code).startswith(sentence)
    assert "\n" not in str(end.value.code)


def test_debug_and_bugs_keep_their_tracebacks() -> None:
    @cli_errors
    def main(args: SimpleNamespace) -> None:
        raise args.error

    with pytest.raises(UserError):
        main(SimpleNamespace(debug=True, error=UserError("wrong")))
    with pytest.raises(ZeroDivisionError):
        main(SimpleNamespace(debug=False, error=ZeroDivisionError()))
