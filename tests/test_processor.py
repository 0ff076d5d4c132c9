"""The default number of threads that step the physics."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, os
from sandbox_envs import SandboxVectorEnv

def threads():
    return SandboxVectorEnv("lever/train", 4)._groups[0].physics.batch.nthread

found = {}
for asked in (None, "1", "1,4", "100000", "many", "0"):
    os.environ.pop("OMP_NUM_THREADS", None)
    os.environ.update({} if asked is None else {"OMP_NUM_THREADS": asked})
    found[str(asked)] = threads()
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
found["one core"] = threads()
print(json.dumps(found))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_physics_takes_the_cores_that_it_may_use_and_no_more_threads_than_openmp() -> None:
    every = len(os.sched_getaffinity(0))
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert json.loads(done.stdout) == {
        "None": every,
        "1": 1,
        "1,4": 1,
        "100000": every,
        "many": every,
        "0": every,
        "one core": 1,
    }, done.stderr
