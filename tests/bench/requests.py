"""`python -m tests.bench.requests`: how many requests a run of the lake makes to its store.

The store is a SeaweedFS of the bench's own, a proxy before it counts. Twenty synthetic patients come, then what
their hospital sends later, then nothing.
"""

import asyncio
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil

from lakehouse.datasets.synthetic import Population, sites_of, write_hospital
from lakehouse.settings import Settings, read_settings
from lakehouse.stack.places import Places, read_json
from lakehouse.stack.process import recorded
from tests.bench.measure import FEED, cost_of, say, scratch, show_machine
from tests.stack.conftest import store_alone
from tests.workbench import settings_at

PATIENTS, SITE = 20, "north=America/New_York"
_REQUEST = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) /\S* HTTP/1\.1\r\n")


def main() -> None:
    say("## Requests to a store")
    show_machine()
    with scratch() as folder:
        write_hospital(Population(PATIENTS, 7, sites_of(SITE)), folder / "hospital", ["fhir"])
        given = dict(settings_at(folder).environment)
        del given["LAKEHOUSE_URL"]
        settings = read_settings(given)
        Places(settings.home).prepare()
        with store_alone(settings) as running, counting(running.ports["s3"]) as (port, counted):
            say(
                "| `lakehouse run` over | requests | LIST, HEAD, GET, PUT | CPU s of the store | CPU s | wall s |"
            )
            say("|---|---|---|---|---|---|")
            told = {**given, **dict(keys(settings, port))}
            for name, number in {"a first export": 1, "a second": 2, "nothing new": 0}.items():
                if number:
                    delivery = folder / "hospital" / "fhir" / "north" / str(number)
                    shutil.copytree(delivery, settings.inbox / FEED / str(number))
                show(name, settings, told, counted)


def show(name: str, settings: Settings, told: Mapping[str, str], counted: Counter[str]) -> None:
    """Run once, and say what that took."""
    server = recorded(Places(settings.home).process("store"))
    assert server
    counted.clear()
    before = psutil.Process(server.pid).cpu_times()
    cost = cost_of(["-m", "lakehouse", "run"], told)
    after = psutil.Process(server.pid).cpu_times()
    spent = after.user + after.system - before.user - before.system
    kinds = ", ".join(f"{counted[kind]:,}" for kind in ("LIST", "HEAD", "GET", "PUT"))
    say(
        f"| {name} | {counted.total():,} | {kinds} | {spent:.2f} | {cost.cpu:.2f} | {cost.wall:.1f} |"
    )


def keys(settings: Settings, port: int) -> Iterator[tuple[str, str]]:
    """The address of the proxy, and the keys of each role for it."""
    record = read_json(Places(settings.home).store_record)
    yield "LAKEHOUSE_URL", record["url"]
    yield "LAKEHOUSE_S3_ENDPOINT", f"http://127.0.0.1:{port}"
    for role, pair in record["identities"].items():
        for kind in ("access_key", "secret_key"):
            yield f"LAKEHOUSE_S3_{role.upper()}_{kind.upper()}", pair[kind]


@contextmanager
def counting(server: int) -> Iterator[tuple[int, Counter[str]]]:
    """A proxy before a port of loopback: its own port, and what it counted by the kind of request."""
    counted: Counter[str] = Counter()
    loop = asyncio.new_event_loop()
    asked = asyncio.start_server(lambda *ends: pass_on(server, counted, *ends), "127.0.0.1", 0)
    proxy = loop.run_until_complete(asked)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield proxy.sockets[0].getsockname()[1], counted
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def pass_on(
    server: int,
    counted: Counter[str],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways, and count the heads of requests among them."""
    there = await asyncio.open_connection("127.0.0.1", server)

    async def carry(come: asyncio.StreamReader, go: asyncio.StreamWriter, is_asking: bool) -> None:
        try:
            while told := await come.read(2**16):
                for found in _REQUEST.finditer(told) if is_asking else ():
                    is_list = b"list-type=2" in found[0]
                    counted["LIST" if is_list else found[1].decode()] += 1
                go.write(told)
                await go.drain()
        except ConnectionError:
            pass
        finally:
            go.close()

    await asyncio.gather(carry(reader, there[1], True), carry(there[0], writer, False))


if __name__ == "__main__":
    main()
