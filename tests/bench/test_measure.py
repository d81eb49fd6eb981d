"""A figure of the bench is the command's own, whatever the process that asks for it holds."""

import pytest

from tests.bench.__main__ import SMALL, main
from tests.bench.measure import cost_of

MIB = 2**20


@pytest.mark.long
def test_a_peak_is_the_commands_own() -> None:
    held = bytearray(b"x" * (200 * MIB))
    small = cost_of(["-c", "pass"])
    large = cost_of(["-c", f"bytearray(b'x' * {150 * MIB})"])
    assert len(held) == 200 * MIB
    assert small.peak < 60
    assert 150 < large.peak < 200 + 150 + 60


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="it is broken"):
        cost_of(["-c", "raise SystemExit('it is broken')"])


def test_only_what_is_named_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []
    monkeypatch.setattr("tests.bench.__main__.aloud", lambda name, *_: ran.append(name))
    main(["synth", "views"])
    assert ran == ["tests.bench.synth", "tests.bench.views"]
    main([])
    assert ran[2:] == [f"tests.bench.{name}" for name in SMALL]
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "nothing is called nothing" in capsys.readouterr().err
