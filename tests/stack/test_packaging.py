"""What is shipped beside the code: the compose file, the image, the Makefile."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lakehouse.settings import PROJECT, ROLES
from lakehouse.stack import airflow

COMPOSE = (PROJECT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
OURS = {name: it for name, it in SERVICES.items() if it["image"] == "clinical-lakehouse:local"}
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|ENCRYPTION|_CONN|KEY$")
PUBLIC = {
    *(f"LAKEHOUSE_S3_{role.upper()}_ACCESS_KEY" for role in (*ROLES, "admin")),
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
}


def test_no_secret_has_a_value_or_a_default():
    secrets = {
        (service, name): value
        for service, it in SERVICES.items()
        for name, value in it["environment"].items()
        if SECRET.search(name) and name not in PUBLIC
    }
    assert len(secrets) > 20
    required = re.compile(r"\$\{[A-Z0-9_]+:\?[^}]+\}")
    assert [name for name, value in secrets.items() if not required.search(value)] == []
    with_default = re.findall(r"\$\{([A-Z0-9_]+):-", COMPOSE)
    assert not [name for name in with_default if SECRET.search(name)]


def test_the_administrators_keys_are_given_to_the_first_container_only():
    knows = {name for name, it in SERVICES.items() if "ROOT_PASSWORD" in str(it["environment"])}
    assert knows == {"minio", "airflow-init"}


def test_every_published_port_is_on_loopback():
    ports = [port for it in SERVICES.values() for port in it.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert [name for name, it in SERVICES.items() if it.get("network_mode")] == []


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"airflow-init"}))
def test_a_service_that_stays_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_run_without_root_and_without_rights(name):
    service = OURS[name]
    assert "user" not in service
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_airflows_components_are_the_embedded_ones():
    commands = {name: it["command"][1:] for name, it in OURS.items() if name != "airflow-init"}
    embedded = {
        name.replace("api-server", "apiserver"): list(command)
        for name, (_, command) in airflow._COMPONENTS.items()
    }
    assert commands == embedded


def test_airflow_is_told_the_same_as_by_the_embedded_stack(configure):
    embedded = airflow.environment(configure())
    composed = OURS["airflow-scheduler"]["environment"]
    told = {name for name in embedded if name.startswith("AIRFLOW__")}
    assert told == {name for name in composed if name.startswith("AIRFLOW__")}
    own = re.compile(
        r"_HOST|_PORT|_URL|_CONN|SECRET|FERNET|FOLDER|DIRECTORY|_FILE|TRANSPORT|PARALLEL"
    )
    same = {name for name in told if not own.search(name)}
    assert len(same) > 10
    assert {name: composed[name] for name in same} == {name: embedded[name] for name in same}


def test_every_role_has_keys_in_the_containers_that_run_tasks():
    told = OURS["airflow-scheduler"]["environment"]
    for role in ROLES:
        assert {f"LAKEHOUSE_S3_{role.upper()}_{kind}_KEY" for kind in ("ACCESS", "SECRET")} <= set(
            told
        )


def test_every_variable_of_the_compose_file_is_explained():
    page = (PROJECT / "docs" / "server.md").read_text()
    page += "".join(f"LAKEHOUSE_S3_{role.upper()}_SECRET_KEY" for role in ROLES)
    assert [name for name in re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE) if name not in page] == []


def test_the_image_is_made_from_the_lock_by_hash_and_is_not_roots():
    instructions = [line.split(" ", 1) for line in DOCKERFILE.splitlines() if line[:1].isupper()]
    users = [value for word, value in instructions if word == "USER"]
    assert users == ["10001:10001"]
    assert DOCKERFILE.count("--require-hashes") == 2
    assert "FROM python:3.11-slim-bookworm" in DOCKERFILE
    for needs_buildkit in ("--mount", "<<", "--chmod", "--link", "# syntax"):
        assert needs_buildkit not in DOCKERFILE


def test_the_image_holds_what_the_ignore_file_lets_through():
    allowed = {
        line[1:] for line in (PROJECT / ".dockerignore").read_text().split() if line[0] == "!"
    }
    copied = {
        word for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.M) for word in line.split()
    }
    assert copied == allowed


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ("make", *words),
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path):
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("")
    (tmp_path / "Makefile").write_text((PROJECT / "Makefile").read_text())
    return tmp_path


def a_program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_setup_refuses_a_python_that_is_too_old_or_too_new(tree):
    python = a_program(
        tree / "python", 'case "$1" in --version) echo Python 3.10.1;; *) exit 1;; esac'
    )
    done = make(tree, "setup", f"PYTHON={python}")
    assert done.returncode != 0
    assert "is Python 3.10.1" in done.stdout
    assert "hint: make setup PYTHON=" in done.stdout


def test_setup_says_what_is_missing_where_python_has_no_venv(tree):
    python = a_program(tree / "python", 'case "$2" in *ensurepip*) exit 1;; esac')
    done = make(tree, "setup", f"PYTHON={python}")
    assert done.returncode != 0
    assert "comes without the venv module" in done.stdout
    assert "python3-venv" in done.stdout
    assert not (tree / ".venv").exists()


def test_setup_does_nothing_when_the_lock_has_not_changed(tree):
    (tree / ".venv").mkdir()
    (tree / ".venv" / ".ready").touch()
    done = make(tree, "setup", "PYTHON=/nowhere/python")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def bare(tree):
    """Words for `make` and an environment in which there is next to nothing."""
    folder = tree / "programs"
    folder.mkdir()
    for name in ("bash", "sh", "make", "sed"):
        (folder / name).symlink_to(shutil.which(name))
    return (f"SHELL={folder / 'bash'}",), {"PATH": str(folder), "HOME": str(tree)}


def test_peers_do_without_go_and_java_and_say_so(tree, bare):
    words, environment = bare
    for name in ("install", "hapi/pom.xml"):
        copied = tree / "tests" / "peers" / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text((PROJECT / "tests" / "peers" / name).read_text())
    done = make(tree, "peers", *words, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "minio: not built, Go is not here",
        "hapi: not installed, Maven and a Java compiler are not both here",
    ]


def test_a_peer_that_cannot_be_had_is_named_and_no_error(tree):
    with (tree / "Makefile").open("a") as file:
        file.write("broken:\n\t@echo building; exit 3\nthere:\n\t@echo there\n")
    done = make(tree, "peers", "PEERS=broken there")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "building",
        "broken: could not be had here; the tests that need it will be skipped",
        "there",
    ]


@pytest.fixture
def tools(tree):
    """A `.venv` that is ready, whose tools do nothing; its pytest skips a test in each run."""
    folder = tree / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("ruff", "mypy", "lint-imports"):
        a_program(folder / name, "exit 0")
    skips = 'for word; do case "$word" in --unproven=*) echo "no peer is here" >> "${word#*=}";; esac; done'
    a_program(folder / "python", f"{skips}; exit 0")
    (tree / ".venv" / ".ready").touch()
    with (tree / "Makefile").open("a") as file:
        file.write("one:\n\t@echo one came\n")
    return tree


@pytest.mark.parametrize(
    ("told", "first"),
    [({"CI": "true"}, ["one came"]), ({"CI": "false"}, []), ({}, [])],
    ids=["CI=true", "CI=false", "no CI"],
)
def test_ci_gets_the_peers_first_and_every_run_ends_with_what_was_not_proven(tools, told, first):
    done = make(tools, "test", "PEERS=one", **told)
    assert done.returncode == 0, done.stderr
    assert [line.strip() for line in done.stdout.splitlines()] == [
        *first,
        "what was not proven here, by the number of tests that were skipped:",
        "3 no peer is here",
    ]


def test_a_minio_that_cannot_be_built_says_why_and_leaves_no_program(tree):
    a_program(tree / "go", "echo no module proxy answers >&2; exit 1")
    done = make(tree, "peers", XDG_CACHE_HOME=str(tree), PATH=f"{tree}:{os.environ['PATH']}")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == [
        "no module proxy answers",
        "minio: could not be had here; the tests that need it will be skipped",
    ]
    assert not (tree / "clinical-lakehouse" / "minio").exists()


def test_a_minio_that_was_built_is_not_built_again(tree):
    built = tree / "clinical-lakehouse" / "minio"
    built.parent.mkdir()
    built.write_text("#!/bin/sh\n")
    built.chmod(0o755)
    done = make(tree, "minio", XDG_CACHE_HOME=str(tree))
    assert done.stdout == f"minio: {built} is there\n"


def test_every_target_is_explained_and_the_ci_runs_the_test_command(tree, bare):
    words, environment = bare
    shown = make(tree, "help", *words, **environment).stdout
    for name in [
        "setup",
        "demo",
        "test",
        "fast",
        "check",
        "fix",
        "bench",
        "lock",
        "peers",
        "minio",
        "java",
        "up",
        "down",
    ]:
        assert re.search(rf"^{name} +\S", shown, re.M)
    script = (PROJECT / ".ci" / "run").read_text()
    assert script.splitlines()[-1] == "exec make test"
    assert os.access(PROJECT / ".ci" / "run", os.X_OK)
