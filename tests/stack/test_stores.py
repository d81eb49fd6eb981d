"""What a lake asks of its store, on each that we know: docs/stores.md has the table that a run writes
to .cache/stores.md."""

import hashlib
import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from minio.error import MinioException, S3Error

from lakehouse.errors import StoreError
from lakehouse.objects import Objects, open_objects
from lakehouse.settings import PROJECT, Settings, read_settings
from lakehouse.stack import minio, s3_probe, store
from lakehouse.stack.places import Places, read_json
from lakehouse.stack.process import recorded
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.lake import OPERATION, open_lake
from tests.processes import race, start
from tests.stack.conftest import settings_at, store_alone
from tests.workbench import NOW

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("the stack")]

KINDS = ["folder", "seaweedfs", pytest.param("minio", marks=pytest.mark.peer)]
LEDGER = "landing.ledger"
KEYS, RACERS = 12, 16
WRITERS, APPENDS = 8, 5
MERGERS, MERGES = 4, 5
KILLS = 4
BIG = 200 * 2**20
PAUSE = threading.Event()
NOT_OURS = "the file system's rights"


@dataclass(frozen=True)
class Place:
    """A lake in one kind of store, and what was found of it."""

    kind: str
    settings: Settings
    found: dict[str, str] = field(default_factory=dict)

    def objects(self, role: str = "govern") -> Objects:
        return open_objects(self.settings.lake_url(), self.settings.credentials(role))

    @property
    def environment(self) -> dict[str, str]:
        return {**self.settings.environment, "LAKEHOUSE_HOME": str(self.settings.home)}


RESULTS: list[Place] = []


@pytest.fixture(scope="module", autouse=True)
def _table() -> Iterator[None]:
    """Write what was found as a table."""
    yield
    names = list(dict.fromkeys(name for place in RESULTS for name in place.found))
    head = ["", *(place.kind for place in RESULTS)]
    rows = [[name, *(place.found.get(name, "") for place in RESULTS)] for name in names]
    lines = [head, ["---"] * len(head), *rows]
    target = PROJECT / ".cache" / "stores.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    kind = request.param
    if kind == "minio" and not minio.find_binary():
        pytest.skip("no minio program is here (`make minio` builds one)")
    folder = tmp_path_factory.mktemp(kind)
    if kind == "folder":
        (folder / "lake").mkdir(mode=0o700)
        settings = settings_at(folder / "home", LAKEHOUSE_URL=str(folder / "lake"))
        RESULTS.append(Place(kind, settings))
        yield RESULTS[-1]
        return
    settings = settings_at(folder / "home", LAKEHOUSE_STORE=kind)
    Places(settings.home).prepare()
    with store_alone(settings) as there:
        RESULTS.append(Place(kind, there))
        yield RESULTS[-1]


def test_of_sixteen_who_write_one_key_at_once_one_wins(place: Place) -> None:
    put = link if place.kind == "folder" else conditional(place)
    barrier = threading.Barrier(KEYS * RACERS)

    def run(number: int) -> bool:
        barrier.wait()
        return put(place, f"race-{number % KEYS}", number)

    # all at once: a store may let who comes second wait a second or two
    with ThreadPoolExecutor(KEYS * RACERS) as pool:
        won = list(pool.map(run, range(KEYS * RACERS)))
    winners = [sum(won[key::KEYS]) for key in range(KEYS)]
    assert winners == [1] * KEYS
    place.found["put if absent, 16 at once"] = f"{KEYS} of {KEYS} keys had one winner"


def link(place: Place, name: str, racer: int) -> bool:
    """As a commit is made in a folder: a name that must not be there yet."""
    own = Path(place.settings.lake_url()) / f"{name}.{racer}"
    own.write_text("x")
    try:
        os.link(own, own.with_name(name))
    except FileExistsError:
        return False
    return True


def conditional(place: Place) -> Callable[..., bool]:
    keys = place.settings.credentials("refine")
    assert keys
    client = s3_probe.Client(urlsplit(place.settings.lake_url()), keys)
    return lambda _place, name, racer: client.put_if_absent(f"gold/{name}", str(racer).encode())


def row(sequence: int, size: int) -> dict[str, object]:
    return {
        "feed": "north_ehr", "source": "north", "sequence": sequence, "file_name": "x",
        "object_id": "0" * 64, "bytes": size, "received_at": NOW, "export_at": None, "is_manifest": False,
    }  # fmt: skip


def append_often(environment: dict[str, str], writer: int) -> None:
    lake = open_lake(read_settings(environment), "ingest")

    def append(number: int) -> int:
        ledger = lake.open(LEDGER)
        rows = pa.Table.from_pylist([row(1000 * writer + number, 0)], schema=ledger.schema)
        return ledger.append(rows, Note({f"writer-{writer}": number + 1}))

    for number in range(APPENDS):
        committed(partial(append, number))


def merge_often(environment: dict[str, str], writer: int) -> None:
    lake = open_lake(read_settings(environment), "ingest")

    def merge(number: int) -> int:
        ledger = lake.open(LEDGER)
        change = {**row(1000 * writer, number), OPERATION: "upsert"}
        schema = ledger.schema.append(pa.field(OPERATION, pa.string()))
        rows = pa.Table.from_pylist([change], schema=schema)
        return ledger.merge(rows, ("sequence",), Note({f"merger-{writer}": number}))

    for number in range(1, MERGES + 1):
        committed(partial(merge, number))


def ledger_of(place: Place) -> dict[int, int]:
    from tests.workbench import rows

    found = rows(open_lake(place.settings, "govern"), LEDGER)
    assert len(found) == len({one["sequence"] for one in found})
    return {one["sequence"]: one["bytes"] for one in found}


def test_eight_processes_append_at_once_and_four_merge_and_nothing_is_lost(place: Place) -> None:
    open_lake(place.settings, "ingest").open(LEDGER)
    works = [(append_often, (place.environment, writer)) for writer in range(WRITERS)]
    assert race(works) == [0] * WRITERS
    wanted = {1000 * w + n: 0 for w in range(WRITERS) for n in range(APPENDS)}
    assert ledger_of(place) == wanted
    assert open_lake(place.settings, "ingest").open(LEDGER).version == WRITERS * APPENDS
    place.found["8 processes append at once"] = (
        f"{WRITERS * APPENDS} commits, none lost, none twice"
    )
    works = [(merge_often, (place.environment, writer)) for writer in range(MERGERS)]
    assert race(works) == [0] * MERGERS
    assert ledger_of(place) == {**wanted, **{1000 * w: MERGES for w in range(MERGERS)}}
    place.found["4 processes merge at once"] = f"{MERGERS * MERGES} commits, no update lost"


def content(number: int) -> bytes:
    return f"{number} ".encode() * 5000


def test_what_was_acknowledged_outlives_kills_of_the_server(place: Place) -> None:
    if place.kind == "folder":
        kept = killed_writers(place)
        place.found["kill -9 under writes"] = f"{KILLS} writers killed, {kept} objects intact"
        return
    with writing(place) as acknowledged:
        for kill in range(KILLS):
            while len(acknowledged) < 20 * (kill + 1):
                PAUSE.wait(0.02)
            server = recorded(Places(place.settings.home).process("store"))
            assert server
            os.kill(server.pid, signal.SIGKILL)
            while store.check(place.settings):
                PAUSE.wait(0.1)
        while read_json(Places(place.settings.home).state)["settling"]:
            PAUSE.wait(0.1)
    assert [n for n in acknowledged if read(place, n) != content(n)] == []
    told = f"{KILLS} kills, {len(acknowledged)} of {len(acknowledged)} acknowledged objects intact"
    place.found["kill -9 under writes"] = told


@contextmanager
def writing(place: Place) -> Iterator[list[int]]:
    """Somebody writes all the time; the numbers of what was acknowledged to him."""
    acknowledged: list[int] = []
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            with suppress(StoreError):
                put(place.objects("ingest"), number)
                acknowledged.append(number)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


def put(objects: Objects, number: int) -> None:
    objects.put(f"quarantine/kill-{number}", io.BytesIO(content(number)), len(content(number)))


def read(place: Place, number: int) -> bytes:
    with place.objects().open(f"quarantine/kill-{number}") as stream:
        return stream.read()


def put_for_ever(environment: dict[str, str], begin: int) -> None:
    settings = read_settings(environment)
    objects = open_objects(settings.lake_url(), None)
    for number in range(begin, begin + 10**6):
        put(objects, number)


def killed_writers(place: Place) -> int:
    folder = Path(place.settings.lake_url()) / "quarantine"
    for kill in range(KILLS):
        process = start(put_for_ever, place.environment, kill * 10**7)
        while not folder.is_dir() or len(list(folder.glob(f"kill-{kill or ''}*"))) < 20:
            process.join(0.02)
        process.kill()
        process.join()
    found = [path for path in folder.iterdir() if path.is_file()]
    torn = [path for path in found if path.read_bytes() != content(int(path.name[5:]))]
    assert torn == []
    return len(found)


def refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except S3Error as error:
        return error.code == "AccessDenied"
    except (StoreError, MinioException) as error:
        return "AccessDenied" in str(error)
    return False


def test_who_may_only_read_writes_nothing_and_nobody_sees_beyond_his_folders(place: Place) -> None:
    rights = "a reader's write", "another role's folder"
    if place.kind == "folder":
        place.found.update(dict.fromkeys(rights, NOT_OURS))
        return
    client = partial(store.client, place.settings)
    for key in ("bronze/x", "gold/x"):
        client("govern").put_object("lake", key, io.BytesIO(b"x"), 1)
        assert refused(lambda key=key: client("read").put_object("lake", key, io.BytesIO(b"y"), 1))
        assert refused(lambda key=key: client("read").remove_object("lake", key))
    place.found[rights[0]] = "refused"
    assert client("publish").get_object("lake", "gold/x").read() == b"x"
    for ask in (
        lambda: client("publish").get_object("lake", "bronze/x"),
        lambda: list(client("publish").list_objects("lake", prefix="bronze/")),
        lambda: list(client("publish").list_objects("lake")),
    ):
        assert refused(ask)
    place.found[rights[1]] = "not read, not listed"


def test_what_is_stored_is_encrypted_on_the_disk(place: Place) -> None:
    marker = os.urandom(64)
    place.objects().put("gold/secret", io.BytesIO(marker * 99), 64 * 99)
    with place.objects().open("gold/secret") as stream:
        assert stream.read() == marker * 99
    root = Path(place.settings.lake_url()) if place.kind == "folder" else place.settings.home
    in_clear = any(marker in path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert in_clear == (place.kind == "folder")
    told = "no: encrypt the disk" if in_clear else "yes (SSE-S3, by default of the bucket)"
    place.found["encrypted at rest"] = told


class Counted:
    """Many bytes that are nowhere at once, and their hash."""

    def __init__(self, size: int) -> None:
        self._left, self.sha256 = size, hashlib.sha256()
        self._block = os.urandom(2**20)

    def read(self, size: int = -1) -> bytes:
        size = min(self._left, len(self._block) if size < 0 else size)
        piece = (self._block * (size // len(self._block) + 1))[:size]
        self._left -= size
        self.sha256.update(piece)
        return piece


def test_a_large_object_goes_in_parts_and_comes_back_the_same(place: Place) -> None:
    sent, came = Counted(BIG), hashlib.sha256()
    place.objects("ingest").put("landing/objects/big", sent, BIG)  # type: ignore[arg-type]
    with place.objects("ingest").open("landing/objects/big") as stream:
        while piece := stream.read(2**20):
            came.update(piece)
    assert came.hexdigest() == sent.sha256.hexdigest()
    assert place.objects().size("landing/objects/big") == BIG
    parts = "one file" if place.kind == "folder" else "parts of 16 MiB"
    place.found[f"an object of {BIG // 2**20} MiB"] = f"{parts}, same hash"
    place.objects().delete("landing/objects/big")
