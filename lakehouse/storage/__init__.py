"""Delta tables by name, and SELECT over them."""

import ctypes
import os

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h

# the allocator of the Delta writer gives freed memory back after a fifth of a second instead of
# ten; it reads this once, when its library is loaded
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2")
# Arrow takes memory from the C library, whose free memory can be given back whoever let go of it:
# its own allocator keeps what the writer's threads had
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
if _limit := getattr(ctypes.CDLL(None), "mallopt", None):
    # and the C library keeps the end of each arena but the first
    _limit(_ARENA_MAX, 1)
