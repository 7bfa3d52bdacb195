"""The programs of the how-to pages run, and print what the pages say.

A port mapper that forwards calls, on a port of its own, stands in for this host's; this host for
the local networks. The service of the tutorial and an NFS server are registered there, as the pages
ask for.

A block whose first line is ``# name.py`` is that file. A block of ``text`` after a program is what
it prints. The functions of a program whose names begin with ``test_`` are tests.
"""

from __future__ import annotations

import asyncio
import doctest
import inspect
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from oncrpc.aio import broadcast as broadcast_module
from oncrpc.aio.serve import serve
from oncrpc.idl import compile_text
from oncrpc.net.broadcast import Destination
from oncrpc.rpc import Service
from support.daemon_process import RunningDaemon
from support.remote_files import served_in_thread

DOCS = Path(__file__).resolve().parents[1] / "docs"
TUTORIAL = DOCS / "tutorial" / "your-own-program.md"
PAGES = (
    "authentication", "timeouts", "broadcast", "blocking", "hooks", "register-from-python",
    "testing-your-service", "use-nfs-from-python", "write-a-backend",
    "../tutorial/serve-a-python-object",
)  # fmt: skip
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOCALHOST = "127.0.0.1"
DEADLINE = 10.0

pytestmark = pytest.mark.slow


class Program(NamedTuple):
    """A program of a page, and its output; None if the page shows none."""

    page: str
    line: int
    text: str
    printed: str | None

    @property
    def file(self) -> str:
        """The file name, if it is a module and not a program to run."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named[1] if named else ""


def programs_of(page: str) -> Iterator[Program]:
    text = (DOCS / "howto" / f"{page}.md").read_text()
    blocks = list(FENCED.finditer(text))
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block[1] == "python":
            printed = after[2] if after and after[1] == "text" else None
            yield Program(page, text[: block.start()].count("\n") + 1, block[2], printed)


PROGRAMS = [program for page in PAGES for program in programs_of(page)]
RUN = [program for program in PROGRAMS if not program.file]


@pytest.fixture(scope="module")
def hello() -> str:
    """The module of the tutorial's interface."""
    interface = next(block[2] for block in FENCED.finditer(TUTORIAL.read_text()) if block[1] == "x")
    return compile_text(interface, "hello.x")


@pytest.fixture(scope="module")
def mapper(hello: str) -> Iterator[RunningDaemon]:
    """A port mapper that knows the service of the tutorial."""
    module: dict[str, Any] = {"__name__": "hello"}
    exec(hello, module)  # what the compiler wrote

    class Greeter(module["HELLO_V1"].Service):  # type: ignore[misc]  # compiled above
        def GREET(self, call: object, name: bytes) -> bytes:
            return b"hello " + name

    with (
        RunningDaemon("-4", "-r") as daemon,
        serving(Greeter(), daemon.port),
        served_in_thread(register=f"{LOCALHOST}:{daemon.port}"),
    ):
        yield daemon


@contextmanager
def serving(service: Service, port: int) -> Iterator[None]:
    """Serve in another thread, registered with the port mapper at that port."""
    served, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serving() -> None:
        async with serve(
            service, transports=["udp", "tcp"], host=LOCALHOST, register=f"{LOCALHOST}:{port}"
        ):
            served.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    try:
        assert served.wait(DEADLINE)
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(DEADLINE)
        loop.close()


@pytest.fixture
def host(mapper: RunningDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the port mapper in place of this host's."""
    monkeypatch.setenv("ONCRPC_MAPPER", f"{LOCALHOST}:{mapper.port}")
    networks = [Destination(socket.AF_INET, LOCALHOST)]
    monkeypatch.setattr(broadcast_module, "destinations", lambda group: networks)
    monkeypatch.setitem(defaults_of(broadcast_module.broadcast), "port", mapper.port)


def defaults_of(function: Callable[..., object]) -> dict[str, object]:
    """The defaults of a function's keywords, as a dict that may be changed."""
    found: dict[str, object] | None = function.__kwdefaults__
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path: Path, hello: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory of a program, with the files that the pages name."""
    files = {program.file: program.text for program in PROGRAMS if program.file}
    for name, text in {"hello.py": hello, **files}.items():
        (tmp_path / name).write_text(text)
        sys.modules.pop(name.removesuffix(".py"), None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("hello.py", *files):
        sys.modules.pop(name.removesuffix(".py"), None)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("page", dict.fromkeys(program.page for program in RUN))
def test_programs_of_a_page_run_in_order(
    page: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for program in RUN:
        if program.page == page:
            run_program(program, folder, capsys)


def run_program(program: Program, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a program, and compare what it prints with the page."""
    module: dict[str, Any] = {"__name__": "__main__"}
    code = compile(program.text, f"{program.page}.md", "exec")

    exec(code, module)
    tests = [module[name] for name in module if name.startswith("test_")]
    for test in tests:
        test(folder) if "tmp_path" in inspect.signature(test).parameters else test()

    printed = capsys.readouterr().out
    if program.printed is not None:
        checker = doctest.OutputChecker()
        assert checker.check_output(program.printed, printed, doctest.ELLIPSIS), printed
    assert tests or printed or "print(" not in program.text


def test_every_page_has_programs() -> None:
    assert {program.page for program in PROGRAMS} == set(PAGES)
    assert len({program.file for program in PROGRAMS if program.file}) == 5
