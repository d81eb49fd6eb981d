"""Errors, classed by what the machine does next.

LakehouseError
├── SpecError      a declaration is wrong          fail, no retry      exit 10
├── SourceError    this input cannot be read       quarantine, go on
├── QualityError   a check that must hold does not fail, no retry      exit 11
├── PolicyError    not granted                     fail, audited       exit 12
└── StoreError     storage or a commit conflict    retry with back-off exit 13

A message says what, where and how many, and never quotes a value of a patient.
"""


class LakehouseError(Exception):
    """Any error the lakehouse raises on purpose; `hint` is the one thing to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class SpecError(LakehouseError):
    """A declaration under sql/, feeds.toml or the settings is wrong."""

    exit_code = 10


class SourceError(LakehouseError):
    """This input cannot be read; it is quarantined and counted, and the run goes on."""


class QualityError(LakehouseError):
    """A check that must hold does not; nothing was committed."""

    exit_code = 11


class PolicyError(LakehouseError):
    """The caller is not granted what it asked for."""

    exit_code = 12


class StoreError(LakehouseError):
    """Storage failed or a commit kept conflicting; trying again later is right."""

    exit_code = 13
