"""The modules that the daemon loads, all of them before it serves.

Each module costs time at every start, and memory for as long as the daemon runs. Afterwards nothing
can be loaded: the user that the daemon has become may not read where Python is.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import NamedTuple

import pytest

from oncrpc import sync
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4

IMPORTTIME = ("-X", "importtime")
COMMAND = (*IMPORTTIME, "-m", "oncrpc.cli.portmap", "-f", "--no-local", "--port", "0")
IMPORTED = re.compile(r"import time: .*\| +([\w.]+)$")
SERVING = re.compile(r"serving program .* tcp \S+\.(\d+)\.(\d+)(?:,|$)")
DEADLINE = 20.0
NOT_NEEDED = {
    "of programs that are not this daemon": {
        "oncrpc.aio.broadcast", "oncrpc.aio.client", "oncrpc.aio.reconnect",
        "oncrpc.rpcbind_broadcast",
        "oncrpc.cli.command", "oncrpc.cli.rpcinfo", "oncrpc.idl", "oncrpc.importer",
        "oncrpc.net.broadcast", "oncrpc.sync", "oncrpc.testing",
    },
    "of commands that are asked for by a word": {
        "oncrpc.cli.daemons.control_client", "oncrpc.cli.portmap.config",
        "oncrpc.cli.portmap.explain",
        "oncrpc.cli.portmap.reload", "oncrpc.daemon.config.explain_errors",
        "oncrpc.cli.portmap.service", "oncrpc.cli.portmap.status", "oncrpc.cli.portmap.top",
        "oncrpc.daemon.install.files", "oncrpc.daemon.install.init",
    },
    "of other packages": {"hypothesis", "lark", "rich"},
    "large": {
        "dataclasses", "email", "http", "json", "multiprocessing", "pathlib", "pickle", "random",
        "shutil", "tempfile", "urllib", "xml",
    },
}  # fmt: skip


ASKING = {
    "status": ["--state-dir", "/nonexistent"],
    "top": ["--help"],
    "reload": ["--pid-file", "/nonexistent"],
    "config": ["show"],
}
"""Commands that ask a daemon, or about one, and run without one."""

OF_THE_DAEMON = {
    "asyncio", "ctypes", "dataclasses", "logging", "oncrpc.aio",
    "oncrpc.cli.portmap.daemon", "oncrpc.portmap.app", "oncrpc.portmap.procedures", "ssl",
    "subprocess",
}  # fmt: skip


LOADED_BY_PYTHON = {"dataclasses"} if sys.version_info >= (3, 14) else set[str]()
"""argparse colours its help since 3.14, and imports this for it."""


class Loaded(NamedTuple):
    """The modules loaded before the daemon served, and those loaded later."""

    before: set[str]
    after: set[str]


def use(port: int, process: subprocess.Popen[str]) -> None:
    """Use a daemon: valid and invalid calls, and a reload."""
    for netid in ("udp", "tcp"):
        with sync.run(sync.dial(netid, "127.0.0.1", port, timeout=DEADLINE)) as link:
            client = PMAP_VERS.Client(link)
            assert sync.run(client.PMAPPROC_GETPORT(mapping(100000, 2, 6, 0))) == port
            sync.run(client.PMAPPROC_SET(mapping(300000, 1, 6, 700)))
            sync.run(RPCBVERS4.Client(link).RPCBPROC_DUMP())
            sync.run(RPCBVERS4.Client(link).RPCBPROC_GETSTAT())
            process.send_signal(signal.SIGHUP)


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """A daemon that was started, used and ended."""
    command = [sys.executable, *COMMAND, "--no-state"]
    alone = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    found = Loaded(set(), set())
    names = found.before
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alone) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if imported := IMPORTED.match(line):
                names.add(imported[1])
            elif serving := SERVING.search(line):
                names = found.after
                use(int(serving[1]) << 8 | int(serving[2]), process)
                process.terminate()
    assert process.returncode == 0
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOT_NEEDED)
def test_unneeded_modules_are_not_loaded(kind: str, loaded: Loaded) -> None:
    assert "oncrpc.portmap.app" in loaded.before
    assert NOT_NEEDED[kind] & loaded.before - LOADED_BY_PYTHON == set()


@pytest.mark.slow
def test_a_daemon_that_serves_loads_nothing_more(loaded: Loaded) -> None:
    assert loaded.after == set()


@pytest.mark.slow
@pytest.mark.parametrize("word", ASKING)
def test_asking_commands_load_no_daemon(word: str) -> None:
    command = [sys.executable, *IMPORTTIME, "-m", "oncrpc.cli.portmap", word, *ASKING[word]]
    alone = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}

    done = subprocess.run(command, capture_output=True, text=True, env=alone, check=False)

    names = {found[1] for line in done.stderr.splitlines() if (found := IMPORTED.match(line))}
    assert "oncrpc.cli.portmap.options" in names
    assert names & OF_THE_DAEMON - LOADED_BY_PYTHON == set()
