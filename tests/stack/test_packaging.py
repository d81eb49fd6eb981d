"""What is shipped beside the code: the compose file, the image, the Makefile."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lakehouse.settings import PROJECT, ROLES
from lakehouse.stack import airflow, server

COMPOSE = (PROJECT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
OURS = {name: it for name, it in SERVICES.items() if it["image"] == "clinical-lakehouse:local"}
GATEWAY = (PROJECT / "lakehouse" / "stack" / "gateway.conf").read_text()
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
ONCE = {"secrets-check", "airflow-init"}
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|ENCRYPTION|_CONN|KEY$")
PUBLIC = {
    *(f"LAKEHOUSE_S3_{role.upper()}_ACCESS_KEY" for role in (*ROLES, "admin")),
}


def test_every_secret_is_a_file_that_init_server_makes():
    secrets = {
        name: value
        for it in SERVICES.values()
        for name, value in it.get("environment", {}).items()
        if SECRET.search(name) and name not in PUBLIC
    }
    assert len(secrets) > 12
    in_a_file = re.compile(r"(cat )?/run/secrets/(\w+)")
    named = {name: in_a_file.fullmatch(value) for name, value in secrets.items()}
    assert [name for name, found in named.items() if not found] == []
    assert {name.rsplit("_", 1)[1] for name in secrets} == {"FILE", "CMD"}
    assert set(re.findall(r"/run/secrets/(\w+)", COMPOSE + GATEWAY)) == set(server.NAMES)
    declared = yaml.safe_load(COMPOSE)["secrets"]
    assert declared == {
        name: {"file": f"${{LAKEHOUSE_SECRETS:-./secrets}}/{name}"} for name in server.NAMES
    }


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"secrets-check"}))
def test_a_container_gets_the_secrets_it_reads_and_no_other(name):
    service = SERVICES[name]
    told = str(service) + (GATEWAY if name == "gateway" else "")
    read = set(re.findall(r"/run/secrets/(\w+)", told))
    assert read == set(service["secrets"])


def test_the_first_container_refuses_weak_secrets_before_any_other_starts():
    first = SERVICES["secrets-check"]
    assert set(first["secrets"]) == set(server.NAMES)
    assert first["network_mode"] == "none"
    waits = {name: set(it.get("depends_on", {})) for name, it in SERVICES.items()}
    assert {name for name, before in waits.items() if not before} == {"secrets-check"}


def test_the_administrators_keys_are_given_to_the_first_containers_only():
    knows = {name for name, it in SERVICES.items() if "minio_root_password" in it["secrets"]}
    assert knows == {"secrets-check", "minio", "airflow-init"}


def test_every_published_port_is_on_loopback():
    ports = [port for it in SERVICES.values() for port in it.get("ports", [])]
    assert ports
    told = r"(127\.0\.0\.1|\$\{LAKEHOUSE_TLS_ADDRESS:-127\.0\.0\.1\}):"
    assert [port for port in ports if not re.match(told, port)] == []
    assert {it.get("network_mode", "none") for it in SERVICES.values()} == {"none"}


def test_the_store_and_the_database_are_in_the_inner_network_only():
    networks = {name: it.get("networks") for name, it in SERVICES.items()}
    stores = {"minio", "postgres", "redis", "marquez", "marquez-database"}
    assert {name for name in networks if networks[name] == ["inner"]} >= stores
    assert yaml.safe_load(COMPOSE)["networks"]["inner"] == {"internal": True}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
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
    always = {name: it for name, it in OURS.items() if name not in ONCE and "profiles" not in it}
    commands = {name: list(it["command"]) for name, it in always.items()}
    commands["airflow-apiserver"].remove("--proxy-headers")
    embedded = {
        name.replace("api-server", "apiserver"): ["python", *airflow._AIRFLOW[1:], *command]
        for name, (_, command) in airflow._COMPONENTS.items()
    }
    assert commands == embedded


def test_airflow_is_told_the_same_as_by_the_embedded_stack(configure):
    embedded = airflow.environment(configure())
    composed = OURS["airflow-scheduler"]["environment"]
    # a server has people with roles of their own
    told = {name for name in embedded if name.startswith("AIRFLOW__") and "_SIMPLE_" not in name}
    derived = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"}  # Airflow makes it of the other one
    assert told - derived == {
        name.removesuffix("_CMD")
        for name in composed
        if name.startswith("AIRFLOW__") and not name.startswith("AIRFLOW__CELERY__")
    }
    own = re.compile(
        r"_HOST|_PORT|_URL|_CONN|SECRET|FERNET|FOLDER|DIRECTORY|_FILE|TRANSPORT|PARALLEL|AUTH_MANAGER"
    )
    same = {name for name in told if not own.search(name)}
    assert len(same) >= 10
    unless_told = {name: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", composed[name]) for name in same}
    assert unless_told == {name: embedded[name] for name in same}


def test_every_role_has_keys_in_the_containers_that_run_tasks():
    told = OURS["airflow-scheduler"]["environment"]
    for role in ROLES:
        assert told[f"LAKEHOUSE_S3_{role.upper()}_ACCESS_KEY"] == role
        assert f"LAKEHOUSE_S3_{role.upper()}_SECRET_KEY_FILE" in told


def test_every_variable_of_the_compose_file_is_explained():
    page = (PROJECT / "docs" / "settings.md").read_text()
    explained = set(re.findall(r"`(LAKEHOUSE_[A-Z0-9_]+)`", page))
    used = set(re.findall(r"(?<!\$)\$\{?([A-Z0-9_]+)", COMPOSE))
    assert len(used) > 3
    assert used <= explained


def test_the_image_is_made_from_the_lock_by_hash_and_is_not_roots():
    instructions = [line.split(" ", 1) for line in DOCKERFILE.splitlines() if line[:1].isupper()]
    users = [value for word, value in instructions if word == "USER"]
    assert users == ["10001:10001"]
    assert DOCKERFILE.count("--require-hashes") == DOCKERFILE.count("--verify-hashes") == 1
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == ["python:3.11-slim-bookworm"] * 2
    for needs_buildkit in ("--mount", "<<", "--chmod", "--link", "# syntax"):
        assert needs_buildkit not in DOCKERFILE


def test_the_image_holds_what_the_ignore_file_lets_through():
    allowed = {
        line[1:] for line in (PROJECT / ".dockerignore").read_text().split() if line[0] == "!"
    }
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M)
        for word in line.split()
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


def test_peers_do_without_what_is_not_here_and_say_so(tree, bare):
    words, environment = bare
    for name in ("install", "hapi/pom.xml", "engine/install", "dicom3tools/install"):
        copied = tree / "tests" / "peers" / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text((PROJECT / "tests" / "peers" / name).read_text())
    done = make(tree, "peers", *words, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "minio: not built, Go is not here",
        "hapi: not installed, Maven and a Java compiler are not both here",
        f"engine: not installed, {'that takes root' if os.geteuid() else 'apt-get is not here'}",
        "dicom3tools: not installed, there is no .venv to do it (make setup)",
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
    done = make(
        tree, "peers", "PEERS=minio", XDG_CACHE_HOME=str(tree), PATH=f"{tree}:{os.environ['PATH']}"
    )
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
        "engine",
        "up",
        "down",
    ]:
        assert re.search(rf"^{name} +\S", shown, re.M)
    script = (PROJECT / ".ci" / "run").read_text()
    assert script.splitlines()[-1] == "exec make test"
    assert os.access(PROJECT / ".ci" / "run", os.X_OK)
