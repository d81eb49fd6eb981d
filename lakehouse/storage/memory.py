"""What allocators keep of the memory that was given back to them."""

import ctypes

import pyarrow as pa

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Hand freed memory of Python's and Arrow's back to the machine, where the C library can: the
    peak of a process is the sum of what each of its allocators holds."""
    pa.default_memory_pool().release_unused()
    if _trim:
        _trim(0)
