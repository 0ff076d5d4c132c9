"""Frames to video files."""

import errno
import os
import re
import signal
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.files import atomic_write, make_folder

_OF_THE_SYSTEM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS)


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float, crf: int = 20) -> None:
    """Write frames (height, width, 3) uint8 as an mp4 (H.264, yuv420p) that any browser plays.

    The file appears once it is complete: until then it has another name, and an error or an
    interruption leaves nothing behind. Frames with odd sides lose a row or column.

    Args:
        frames: all of the same size.
        crf: how coarse the picture may be; 6 more roughly halve the file.

    Raises:
        UserError: the name does not end in .mp4, there are no frames, or ffmpeg is missing.
        OSError: the file cannot be written.
    """
    path = check_video_path(path)
    find_ffmpeg()  # before a frame is drawn or a folder made
    make_folder(path.parent)
    with atomic_write(path) as partial:
        _encode(partial, frames, fps, crf)


def check_video_path(path: str | Path) -> Path:
    """The path, if a film can have it.

    Raises:
        UserError: it does not end in .mp4, or is a folder.
    """
    path = Path(path)
    if path.suffix != ".mp4":
        raise UserError(f"{path}: films are written as mp4; give a name that ends in .mp4")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file in it")
    return path


def find_ffmpeg() -> str:
    """The ffmpeg that writes films: the one in IMAGEIO_FFMPEG_EXE, the bundled or the system's.

    Raises:
        UserError: there is none, or it cannot be used.
    """
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        wrong = _what_is_wrong(program)
    except RuntimeError:  # of the library, where it finds none
        wrong = "there is none"
    if wrong:
        raise UserError(
            f"films take ffmpeg with the encoder libx264, and {wrong}; install ffmpeg, or set "
            "IMAGEIO_FFMPEG_EXE to the path of one"
        )
    return program


@cache
def _what_is_wrong(program: str) -> str | None:
    """The reason why a program cannot write films; None if it can."""
    try:
        done = subprocess.run(
            [program, "-hide_banner", "-h", "encoder=libx264"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
    except OSError as error:
        return f"{program} cannot be run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"{program} does not answer"
    return None if done.stdout.startswith(b"Encoder libx264") else f"{program} is not such a one"


def _encode(path: Path, frames: Iterable[np.ndarray], fps: float, crf: int) -> None:
    """Pipe the frames through ffmpeg, and raise its errors."""
    process: subprocess.Popen[bytes] | None = None
    shape: tuple[int, ...] = ()
    try:
        for frame in frames:
            even = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
            if process is None:
                shape, process = even.shape, _ffmpeg(path, even.shape[1], even.shape[0], fps, crf)
            if even.shape != shape:
                raise ValueError(f"a frame has shape {even.shape}, and those before it {shape}")
            assert process.stdin is not None
            process.stdin.write(even.tobytes())
        if process is None:
            raise UserError(f"{path.stem}: there are no frames to write")
        _, message = process.communicate()
    except BrokenPipeError:
        assert process is not None
        _, message = process.communicate()
    finally:
        if process is not None:
            process.kill()
            process.wait()
    if process.returncode:
        raise _error(process.returncode, message.decode(errors="replace"), path)


def _error(status: int, message: str, path: Path) -> OSError:
    """The error for ffmpeg's exit status and message: the system's error named in it, or EIO."""
    lines = message.strip().splitlines() or ["ffmpeg failed"]
    words = re.sub(r"^\[.*?\] ", "", lines[-1])  # without the name of the part of ffmpeg
    if status == -signal.SIGXFSZ:
        message = os.strerror(errno.EFBIG)
    elif status < 0:
        words = f"ffmpeg was ended by {signal.Signals(-status).name}"
    for number in _OF_THE_SYSTEM:
        if os.strerror(number) in message:
            return OSError(number, os.strerror(number), str(path))
    return OSError(errno.EIO, words, str(path))


def _ffmpeg(path: Path, width: int, height: int, fps: float, crf: int) -> "subprocess.Popen[bytes]":
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}"]
    # the default preset takes twice the time for a tenth of the size
    film = ["-c:v", "libx264", "-preset", "veryfast", "-crf", f"{crf}", "-pix_fmt", "yuv420p"]
    film += ["-movflags", "+faststart"]
    command = [find_ffmpeg(), "-y", "-loglevel", "error", *raw, "-i", "-"]
    return subprocess.Popen(
        [*command, *film, f"file:{path}"],  # a colon in a name would else begin a protocol
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # ffmpeg does not see an interruption from the keyboard
    )
