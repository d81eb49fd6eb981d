"""Memory that was let go of can be given back, whichever thread had it."""

import subprocess
import sys

import pytest

from lakehouse.settings import PROJECT

_IN_THREADS = """
import ctypes
from concurrent.futures import ThreadPoolExecutor

from lakehouse.storage.memory import give_back

import pyarrow as pa

with ThreadPoolExecutor(4) as pool:
    taken = list(pool.map(pa.repeat, range(64), [1000] * 64))
    del taken
    give_back()
    library = ctypes.CDLL(None)
    library.fdopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(library.fdopen(1, b"w"))
    library.malloc_info(0, stream)
    library.fflush(stream)
print(pa.default_memory_pool().backend_name)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_arrow_and_all_threads_take_memory_from_one_place_that_can_be_trimmed() -> None:
    told = [sys.executable, "-c", _IN_THREADS]
    said = subprocess.run(told, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert said.count("<heap nr=") == 1
    assert said.splitlines()[-1] == "system"
