"""The C showmount and ours give the same output, messages and exit status, to the byte."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from support.mount_programs import KINDS
from support.namespace import PORT_MAPPERS, PYTHON, Namespace, need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

OURS = (PYTHON, "-m", "oncrpc.cli.showmount")
LISTS = """
showmount 127.0.0.1
showmount ::1
showmount localhost
showmount 10.9.0.1
showmount -e 127.0.0.1
showmount -e ::1
showmount -a 127.0.0.1
showmount -d 127.0.0.1
showmount --exports 127.0.0.1
showmount --all 127.0.0.1
showmount --directories 127.0.0.1
showmount 127.0.0.1 -e
showmount -e --no-headers 127.0.0.1
showmount -a --no-headers 127.0.0.1
showmount -d --no-headers 127.0.0.1
showmount --no-headers 127.0.0.1
showmount -ee 127.0.0.1
"""
MISTAKES = """
showmount -ea 127.0.0.1
showmount -e -d
showmount -ade x
showmount a b
showmount -e a b
showmount -x
showmount -x -e
showmount -ex 127.0.0.1
showmount --nothing
showmount --no-headers=1
showmount --exports=1
showmount -e ""
showmount -e nosuch.invalid
showmount nosuch.invalid
showmount -- -e
"""
DIFFERENT = {
    "showmount -h": "C has no options to describe",
    "showmount -v": "the name and the version of the tool",
    "showmount -e 127.0.0.1:111": "C knows no port",
}
"""Command lines whose output differs from C, and why."""

FAULTS = [kind for kind in KINDS if kind not in ("lists", "malformed")]
"""After a malformed reply over TCP, C waits until its time is up."""


class Result(NamedTuple):
    """The result of a command."""

    status: int
    stdout: str
    stderr: str


def of_c(host: Namespace, line: str) -> Result:
    ended = host.run(shlex.split(line))
    return Result(ended.returncode, ended.stdout, ended.stderr)


def of_ours(host: Namespace, line: str) -> Result:
    ended = host.run([*OURS, *shlex.split(line)[1:]])
    return Result(ended.returncode, ended.stdout, ended.stderr)


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture
def host() -> Iterator[Namespace]:
    """A host with a port mapper."""
    need("showmount")
    with Namespace() as namespace:
        namespace.start(PORT_MAPPERS["C rpcbind"])
        yield namespace


@pytest.fixture(scope="module")
def server() -> Iterator[Namespace]:
    """A host with a port mapper, and a mount program with lists."""
    need("showmount")
    with Namespace() as namespace:
        namespace.start(PORT_MAPPERS["C rpcbind"])
        serve(namespace, "lists")
        yield namespace


def serve(namespace: Namespace, *arguments: str) -> None:
    """Start a mount program of ``support.mount_programs``."""
    started = namespace.popen([PYTHON, "-m", "support.mount_programs", *arguments])
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"


@pytest.mark.parametrize("line", lines(LISTS) + lines(MISTAKES))
def test_a_list_is_shown_as_by_c(server: Namespace, line: str) -> None:
    assert of_ours(server, line) == of_c(server, line)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_reported_as_by_c(host: Namespace, kind: str) -> None:
    serve(host, kind)

    for line in ("showmount 127.0.0.1", "showmount -e 127.0.0.1", "showmount -a ::1"):
        assert of_ours(host, line) == of_c(host, line)


@pytest.mark.parametrize("netids", ["udp", "tcp", "tcp6", "udp6", "udp tcp6"])
def test_transports_are_tried_as_by_c(host: Namespace, netids: str) -> None:
    serve(host, "lists", *netids.split())

    for line in ("showmount -e 127.0.0.1", "showmount -e ::1", "showmount -e localhost"):
        assert of_ours(host, line) == of_c(host, line)


def test_missing_program_is_reported_as_by_c(host: Namespace) -> None:
    for line in ("showmount 127.0.0.1", "showmount -e ::1", "showmount -e", "showmount"):
        assert of_ours(host, line) == of_c(host, line)


@pytest.mark.parametrize("line", list(DIFFERENT))
def test_our_difference_is_what_we_say(server: Namespace, line: str) -> None:
    ours, theirs = of_ours(server, line), of_c(server, line)

    assert ours.status == 0
    assert ours != theirs


@pytest.mark.parametrize("line", ["showmount 127.0.0.1", "showmount -e localhost"])
def test_missing_port_mapper_is_reported_as_by_c(line: str) -> None:
    need("showmount")
    with Namespace() as host:
        assert of_ours(host, line) == of_c(host, line)
