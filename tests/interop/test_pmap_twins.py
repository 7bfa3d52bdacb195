"""pmap_dump and pmap_set on a real port mapper: pmap_set restores the output of pmap_dump."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.namespace import PORT_MAPPERS, PYTHON, Namespace

pytestmark = [pytest.mark.interop, pytest.mark.slow]

DUMP = [PYTHON, "-m", "oncrpc.cli.pmap_dump"]
SET = [PYTHON, "-m", "oncrpc.cli.pmap_set"]
DELETE = [PYTHON, "-m", "oncrpc.cli.rpcinfo", "-d", "9", "9"]
SET_AS_USER = """
import os, sys
from oncrpc.cli.pmap_set import main
os.setgid(1000)
os.setuid(1000)
sys.exit(main([]))
"""
REGISTRY = (
    "    100003    3   tcp   2049  nfs\n"
    "    100005    3   udp  20048  mountd\n"
    "    400100    1   udp   5000  \n"
    "    400100    1   tcp   5001  \n"
)
"""The last two have no name, and end in two spaces."""


@pytest.fixture(params=list(PORT_MAPPERS))
def host(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    with Namespace() as namespace:
        namespace.start(PORT_MAPPERS[request.param])
        yield namespace


def test_dump_restores_the_registry(host: Namespace) -> None:
    host.run(SET, stdin=REGISTRY)
    dumped = host.run(DUMP).stdout
    assert dumped.endswith(REGISTRY)
    for line in REGISTRY.splitlines():
        prog, vers, *_ = line.split()
        host.run(["rpcinfo", "-d", prog, vers])

    restored = host.run(SET, stdin=dumped)

    assert (restored.returncode, restored.stdout, restored.stderr) == (0, "", "")
    assert host.run(DUMP).stdout == dumped


def test_an_ordinary_user_restores_mappings_of_his_own(host: Namespace) -> None:
    restored = host.run([PYTHON, "-c", SET_AS_USER], stdin=REGISTRY)

    assert (restored.returncode, restored.stderr) == (0, "")
    assert "mountd      1000\n" in host.run(["rpcinfo", "-s"]).stdout


def test_roots_mappings_belong_to_root(host: Namespace) -> None:
    host.run(SET, stdin=REGISTRY)

    assert "mountd      superuser\n" in host.run(["rpcinfo", "-s"]).stdout


def test_without_the_local_socket_mappings_go_over_tcp(host: Namespace) -> None:
    host.run(["rm", "/run/rpcbind.sock"])

    restored = host.run(SET, stdin=REGISTRY)

    assert (restored.returncode, restored.stderr) == (0, "")
    assert host.run(DUMP).stdout.endswith(REGISTRY)


@pytest.mark.parametrize("command", [SET, DUMP, DELETE], ids=["set", "dump", "delete"])
def test_only_the_named_socket_is_asked(host: Namespace, command: list[str]) -> None:
    host.run(SET, stdin="9 9 udp 9\n")
    before = host.run(DUMP).stdout

    ended = host.run([*command, "--socket=/nonexist"], stdin="9 9 tcp 9\n")

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert "port mapper at /nonexist: No such file or directory" in ended.stderr
    assert host.run(DUMP).stdout == before


def test_refused_line_does_not_end_the_command(host: Namespace) -> None:
    host.run(SET, stdin="400200 1 udp 5\n")

    ended = host.run(SET, stdin="400200 1 udp 6 taken\n400201 1 132 7\n400202 1 udp 8\n")

    assert ended.returncode == 0
    assert ended.stderr == (
        "not registered: 400200 1 udp 6 taken\nnot registered: 400201 1 132 7\n"
    )
    assert "400202    1   udp      8  \n" in host.run(DUMP).stdout
