"""Delta tables by name, and SELECT over them."""

import os

# the allocator of the Delta writer gives freed memory back after a fifth of a second instead of
# ten; it reads this once, when its library is loaded
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2")
