"""What a process that others are forked from has ready: modules, and no thread of any engine."""

import gc

import pytest  # noqa: F401

import tests.guillotine  # noqa: F401
from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings
from lakehouse.storage import extensions
from lakehouse.transform.columns import trace_columns
from lakehouse.warm import warm
from tests.workbench import REACHED

settings = read_settings({})
# each forked process would load anew what its work needs, half a second
warm(settings)
# each engine of a forked process would hash the extension anew, another third
extensions._checked.update(map(extensions._identity, extensions.find_extensions(with_http=True)))
# and each build would find out anew where its columns come from
declared = Catalog.of(settings)
for name in REACHED:
    trace_columns(declared.table(name), declared)
# what is shared with a forked process stays so: its collector writes to no page of it
gc.freeze()
