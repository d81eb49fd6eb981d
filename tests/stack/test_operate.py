"""The embedded stack by the commands of docs/operate.md: backed up, gone, and back as it was."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakehouse.settings import PROJECT
from lakehouse.stack.store import client
from tests.server.engine import blocks
from tests.stack.conftest import Running
from tests.stack.test_stack import ask, sign_in

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("the stack")]

PAGE = (PROJECT / "docs" / "operate.md").read_text()


def test_a_stack_that_was_backed_up_comes_back_with_all_it_knew(
    stack: Running, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        **stack.settings.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def shell(line: str) -> None:
        words = ("bash", "-euo", "pipefail", "-c", line)
        subprocess.run(words, cwd=tmp_path, env=environment, check=True, capture_output=True)

    key = {"key": "of_a_drill", "value": "kept"}
    client(stack.settings, "govern").put_object("lake", "gold/drill", io.BytesIO(b"kept"), 4)
    assert ask(stack, "/api/v2/variables", key, sign_in(stack))[0] == 201
    back_up, restore = blocks(PAGE, "lakehouse down")
    for line in back_up:
        shell(line)
    client(stack.settings, "govern").remove_object("lake", "gold/drill")
    began = time.monotonic()
    for line in restore:
        shell(line)
    sys.stdout.write(f"brought back in {time.monotonic() - began:.0f} s\n")
    kept = client(stack.settings, "govern").get_object("lake", "gold/drill")
    assert kept.read() == b"kept"
    assert ask(stack, "/api/v2/variables/of_a_drill", token=sign_in(stack))[1]["value"] == "kept"
