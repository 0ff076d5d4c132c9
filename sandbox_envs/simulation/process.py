"""State that all simulations of a process share, in any thread: MuJoCo's messages, and forks.

Both belong to the process: MuJoCo has one handler of warnings, and a fork copies no thread.
"""

import contextlib
import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Iterator

import mujoco
from mujoco.batch import Batch

from sandbox_envs.errors import UserError

Handler = Callable[[str], None]


class _Silence:
    """Leaves out MuJoCo's messages while any thread steps simulations of this package.

    MuJoCo would print them and write them to a file in the current folder; its warning counters
    say the same. A handler of the user's is put back afterwards, and goes on hearing of what other
    threads simulate by themselves.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: list[int] = []  # the threads that step, once for each step they are in
        self._users: Handler | None = None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Leave out messages inside the block."""
        with self._lock:
            if not self._callers:
                self._users = mujoco.get_mju_user_warning()
                mujoco.set_mju_user_warning(self._hear)
            self._callers.append(threading.get_ident())
        try:
            yield
        finally:
            with self._lock:
                self._callers.remove(threading.get_ident())
                if not self._callers:
                    self._put_back()

    def _put_back(self) -> None:
        if mujoco.get_mju_user_warning() == self._hear:  # else the user has set another meanwhile
            mujoco.set_mju_user_warning(self._users)
        # kept: another thread's warning can be on its way to `_hear`, which MuJoCo has looked up

    def _hear(self, warning: str) -> None:
        caller, others = threading.get_ident(), threading.enumerate()
        elsewhere = caller not in self._callers and any(t.ident == caller for t in others)
        if elsewhere and self._users is not None:  # a thread unknown to Python is a batch's own
            self._users(warning)

    def forget(self) -> None:
        """Begin anew in a forked process, to which no thread that stepped was copied."""
        self._lock = threading.Lock()
        if self._callers:
            self._callers.clear()
            self._put_back()


silence = _Silence()
_threaded: "weakref.WeakSet[Batch]" = weakref.WeakSet()


def keep_in_forks(batch: Batch) -> None:
    """Never free a batch with threads in a forked process, where that crashes the interpreter."""
    if batch.nthread > 1:
        _threaded.add(batch)


def check_process(batch: Batch, pid: int) -> None:
    """Raise UserError where a batch of process `pid` has threads that this process does not have.

    MuJoCo would wait for them for ever.
    """
    if pid != os.getpid() and batch.nthread > 1:
        raise UserError(
            "this environment was made before the process was forked, and its threads are not in "
            "the fork; make it in the new process (copy.deepcopy of it will do), give it "
            "num_threads=1, or start processes with 'spawn'"
        )


def _after_fork() -> None:
    silence.forget()
    for batch in list(_threaded):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(batch))
    _threaded.clear()


os.register_at_fork(after_in_child=_after_fork)
