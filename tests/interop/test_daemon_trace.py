"""``portmap trace``: the whole command, on a host whose port mapper is called in every way."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from oncrpc import sync
from oncrpc.programs.portmap import PMAP_VERS
from support.hosts import Host, for_all, portmap
from support.namespace import DEADLINE, PYTHON, environment

pytestmark = [pytest.mark.interop, pytest.mark.slow]

TRACE = [PYTHON, "-m", "oncrpc.cli.portmap", "trace"]
PLACES = (("udp", "127.0.0.1"), ("tcp", "127.0.0.1"), ("local", "/run/rpcbind.sock"))


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as made:
        made.start(portmap())
        yield made


def call(host: Host) -> None:
    """Call the port mapper in three ways; it has answered all these calls before."""
    for netid, place in PLACES:
        with sync.run(host.dial(netid, place)) as link:
            for _ in range(2):
                sync.run(PMAP_VERS.Client(link).PMAPPROC_DUMP())


def test_every_way_to_call_is_traced(host: Host) -> None:
    call(host)
    with subprocess.Popen(
        host.entered(TRACE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
    ) as child:  # fmt: skip
        assert child.stderr is not None
        assert child.stderr.readline().startswith("portmap trace: following the port mapper")
        call(host)
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=DEADLINE)

    lines = [line.split(maxsplit=2)[2] for line in output.splitlines()]
    assert [line.partition("PORTMAP")[0].split() for line in lines[:4]] == [
        ["127.0.0.1", "->", "127.0.0.1"]
    ] * 4
    assert [line.split()[-3:] for line in lines[::2]] == [["PORTMAP", "C", "DUMP"]] * 6
    assert lines[-1].split()[:5] == ["local", "->", "uid", "0", "PORTMAP"]
    assert (child.returncode, errors) == (0, "portmap trace: 12 messages, 0 dropped\n")


def test_ordinary_user_may_not_follow(host: Host) -> None:
    done = host.run([*for_all(host), "trace"], uid=1000)

    assert done.returncode == 4
    assert done.stderr == "portmap: may not open /run/portmap/control; ask as root\n"
