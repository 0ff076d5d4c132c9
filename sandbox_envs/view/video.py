"""Frames to video files."""

import errno
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.files import atomic_write


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float, crf: int = 20) -> None:
    """Write frames (height, width, 3) uint8 as an mp4 (H.264, yuv420p) that any browser plays.

    The file appears once it is complete: until then it has another name, and an error or an
    interruption leaves nothing behind. Frames with odd sides lose a row or column.

    Args:
        frames: all of the same size.
        crf: how coarse the picture may be; 6 more roughly halve the file.

    Raises:
        UserError: the name does not end in .mp4, or there are no frames.
        OSError: the file cannot be written.
    """
    path = check_video_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        partial.touch()  # a wrong place ends here, with a clearer error than ffmpeg's
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
        reason = message.decode(errors="replace").strip().splitlines() or ["ffmpeg failed"]
        words = re.sub(r"^\[.*?\] ", "", reason[-1])  # without the name of the part of ffmpeg
        raise OSError(errno.EIO, words, str(path))


def _ffmpeg(path: Path, width: int, height: int, fps: float, crf: int) -> "subprocess.Popen[bytes]":
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}"]
    # the default preset takes twice the time for a tenth of the size
    film = ["-c:v", "libx264", "-preset", "veryfast", "-crf", f"{crf}", "-pix_fmt", "yuv420p"]
    film += ["-movflags", "+faststart"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *raw, "-i", "-"]
    return subprocess.Popen(
        [*command, *film, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # ffmpeg does not see an interruption from the keyboard
    )
