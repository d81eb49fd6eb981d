"""What the design demands and a machine can see."""

import argparse
import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table, Write
from lakehouse.cli import parser
from lakehouse.settings import PROJECT
from lakehouse.transform.tracing import constant_columns

CATALOG = Catalog.read([PROJECT / "sql"], PROJECT / "dags" / "feeds.toml")
MODELS = CATALOG.models()
QUERIES = [table for table in CATALOG.tables.values() if table.sql and not table.definition]
PYTHON = sorted(PROJECT.glob("lakehouse/**/*.py"))
ENTRY_POINTS = sorted([*PROJECT.glob("dags/*.py"), *PROJECT.glob("plugins/*.py")])
DECLARED = [table for table in CATALOG.tables.values() if table.layer != "quarantine"]

each_model = pytest.mark.parametrize("table", MODELS, ids=lambda table: table.name)
each_query = pytest.mark.parametrize("table", QUERIES, ids=lambda table: table.name)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: str(p.relative_to(PROJECT)))
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert [found for found in functions(path) if found[1] > 40] == []
    assert ast.get_docstring(ast.parse(text)), "a module begins with its duty"


@pytest.mark.parametrize("path", ENTRY_POINTS, ids=lambda p: p.name)
def test_dags_and_plugins_hold_no_logic(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60


@pytest.mark.parametrize("table", DECLARED, ids=lambda table: table.name)
def test_a_table_says_what_a_row_is_and_who_answers_for_it(table: Table) -> None:
    assert table.about.strip().endswith(".")
    assert table.owner
    assert table.keep
    assert table.columns


@each_model
def test_a_model_promises_more_than_its_key(table: Table) -> None:
    assert table.key
    assert len(table.checks) > 1 + len(table.key)


@each_query
def test_what_a_query_reads_and_selects_is_what_a_parser_finds(table: Table) -> None:
    parsed = sqlglot.parse_one(table.sql, dialect="duckdb")
    reads = {f"{t.db}.{t.name}" for t in parsed.find_all(exp.Table) if t.db}
    assert set(table.reads) == reads
    declared = [column for column in table.columns if column != "_pending"]
    assert declared == parsed.named_selects


@each_query
def test_no_layer_is_skipped(table: Table) -> None:
    allowed = {
        "fhir": {"bronze", "fhir", "codes"},
        "silver": {"fhir", "bronze", "silver", "codes"},
        "gold": {"silver", "gold", "codes"},
    }[table.layer]
    assert {name.split(".")[0] for name in table.reads} <= allowed


@each_model
def test_every_column_has_a_source_or_is_a_declared_constant(table: Table) -> None:
    assert constant_columns(table, CATALOG) == set(table.constants or ())


@each_model
def test_a_unit_of_recomputation_is_a_column_of_all_it_is_computed_from(table: Table) -> None:
    if table.by is None:
        return
    assert set(table.by.columns) <= set(table.columns)
    for read in CATALOG.stored_reads(table):
        is_told = f"-- {read.name} is a reference table" in table.sql
        assert table.by.is_told(read) != is_told, (
            f"{read.name} would rebuild {table.name} whole, or its model says so and it would not"
        )


@each_query
def test_a_model_uses_the_allowed_functions_only(table: Table) -> None:
    lines = (PROJECT / "sql" / "allowed_functions.txt").read_text().splitlines()
    allowed = {line.strip() for line in lines if line and not line.startswith("#")}
    used = set()
    for node in sqlglot.parse_one(table.sql, dialect="duckdb").find_all(exp.Func):
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        used.add(name.lower())
    assert used - allowed - set(CATALOG.macros) == set()


@each_query
def test_a_model_gives_the_same_rows_whenever_it_runs(table: Table) -> None:
    told = re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", table.sql).lower()
    assert not re.search(r"\b(now|current_date|current_timestamp|random|uuid|today)\b", told)


def test_a_column_name_is_sorted_used_and_has_a_meaning() -> None:
    names = list(CATALOG.columns)
    assert names == sorted(names)
    used = {column for table in CATALOG.tables.values() for column in table.columns}
    assert set(names) - used - {"_broke", "_dismissed"} == set()
    assert all(column.means for column in CATALOG.columns.values())


def test_each_model_has_a_test_that_names_it() -> None:
    told = "\n".join(path.read_text() for path in PROJECT.glob("tests/sql/*.py"))
    assert [table.name for table in MODELS if table.name not in told] == []


def test_nothing_is_written_to_a_view() -> None:
    assert all(t.sql for t in CATALOG.tables.values() if t.write is Write.VIEW)


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    pattern = re.compile(r"\bLAKEHOUSE_[A-Z0-9_]*[A-Z0-9]\b(?!_)")
    read = set(pattern.findall("\n".join(path.read_text() for path in PYTHON)))
    composed = (PROJECT / "docker-compose.yml").read_text()
    read |= set(re.findall(r"\$\{?(LAKEHOUSE_\w+)", composed))
    told = set(pattern.findall((PROJECT / "docs" / "settings.md").read_text()))
    assert read == told


def is_parsers(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def test_every_verb_and_option_is_documented() -> None:
    told = (PROJECT / "docs" / "cli.md").read_text()
    (verbs,) = (a for a in parser()._actions if a.choices and a.dest != "help")
    for name, verb in dict(verbs.choices or {}).items():
        assert f"`lakehouse {name}" in told
        for action in verb._actions:
            for option in action.option_strings:
                assert option in told or option in ("-h", "--help"), f"{name} {option}"
            for inner, below in dict(action.choices or {}).items() if is_parsers(action) else ():
                assert f"`lakehouse {name} {inner}" in told
                options = [option for item in below._actions for option in item.option_strings]
                assert [o for o in options if o not in told and o not in ("-h", "--help")] == []


def test_no_address_of_a_registry_and_no_path_of_a_machine_is_committed() -> None:
    hosts = r"(pypi|pythonhosted|npmjs|golang|maven|crates|debian)\.(org|com|io)"
    forbidden = re.compile(rf"(https?:)?//([a-z0-9-]+\.)*{hosts}|(^|[^\w.])/(work|root)/")
    found = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in tracked()
        if path.name != "test_laws.py"
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def distribution(name: str) -> str:
    """The name of a package as an index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> dict[str, set[str]]:
    """The packages that pyproject.toml names: `core`, and those of each extra."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    return {
        group: {distribution(re.split(r"[^\w.-]", line)[0]) for line in lines}
        for group, lines in groups.items()
    }


def imported(paths: Iterable[Path]) -> set[str]:
    """The modules these files import from outside of Python and of the project, by first name."""
    names: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"lakehouse", "dags", "tests"}


GLUE = [
    path for path in PYTHON if path.relative_to(PROJECT).parts[1] in ("stack", "airflow", "pages")
]


@pytest.mark.parametrize(
    ("paths", "groups"),
    [
        (set(PYTHON) - set(GLUE), ["core"]),
        ([*GLUE, *ENTRY_POINTS], ["core", "stack"]),
        (PROJECT.glob("tests/**/*.py"), ["core", "stack", "dev"]),
    ],
    ids=["core", "stack", "tests"],
)
def test_what_is_imported_is_declared_where_it_is_needed(
    paths: Iterable[Path], groups: list[str]
) -> None:
    known = set().union(*(declared()[group] for group in groups))
    origins = packages_distributions()
    strays = {
        module
        for module in imported(paths)
        if not known & {distribution(name) for name in origins.get(module, [module])}
    }
    assert strays == set()


def test_what_is_declared_is_used() -> None:
    origins = packages_distributions()
    modules: dict[str, set[str]] = {}
    for module, names in origins.items():
        for name in names:
            modules.setdefault(distribution(name), set()).add(module)
    used = imported([*PYTHON, *ENTRY_POINTS])
    # a driver, or a program in a wheel, is named and not imported
    text = "".join(path.read_text() for path in PYTHON).replace("_", "-")
    idle = {
        name
        for name in declared()["core"] | declared()["stack"]
        if modules.get(name) and not modules[name] & used and name not in text
    }
    assert idle == set()


def test_the_lock_pins_every_package_with_a_hash() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    packages = re.split(r"^(?=[a-z])", lock, flags=re.M)
    assert all("--hash=sha256:" in package for package in packages if "==" in package)
