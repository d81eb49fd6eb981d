"""What a process that others are forked from has ready: modules, and no thread of any engine."""

import gc

import pytest  # noqa: F401

import tests.guillotine
import tests.workbench  # noqa: F401
from lakehouse.settings import read_settings
from lakehouse.storage import extensions
from lakehouse.warm import warm

# each forked process would load anew what its work needs, half a second
warm(read_settings({}))
# each engine of a forked process would hash the extension anew, another third
extensions._checked.update(map(extensions._identity, extensions.find_extensions(with_http=True)))
# what is shared with a forked process stays so: its collector writes to no page of it
gc.freeze()
