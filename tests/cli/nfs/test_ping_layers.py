"""Which layers are asked, what they answer, and how each failure is named."""

from __future__ import annotations

import socket
import threading
from struct import pack

import pytest

from oncrpc.cli.nfs.ping_layers import LayerResult, ServerPing, size_text
from oncrpc.nfs.client.url import NfsUrl
from oncrpc.programs.mount import MOUNTPROG
from oncrpc.programs.nfs3 import NFS_PROGRAM, NFS_V3
from oncrpc.rpc.record import encode_record
from support.pinged_server import (
    LOCALHOST,
    Ports,
    mapped,
    refused_port,
    served_files,
    silent_port,
)
from support.scripted_server import HANG_UP, Server, serving

TIMEOUT = 10.0
SHORT = 0.05
ANSWERED = 1.5
"""Seconds in which a port mapper of this process answers, also on a busy host."""


def results_of(
    url: NfsUrl, ports: Ports, *, timeout: float = TIMEOUT, rounds: int = 1
) -> list[LayerResult]:
    """The results of the last of some rounds with a port mapper that has these ports."""
    with mapped(ports) as mapper:
        return pinged(url, mapper=mapper, timeout=timeout, rounds=rounds)


def pinged(
    url: NfsUrl, *, mapper: str | None = None, timeout: float = TIMEOUT, rounds: int = 1
) -> list[LayerResult]:
    ping = ServerPing(url, timeout=timeout, mapper=mapper)
    try:
        for _ in range(rounds - 1):
            list(ping.round())
        return list(ping.round())
    finally:
        ping.close()


def asked(results: list[LayerResult]) -> list[str]:
    return [f"{each.layer}: {each.question}" for each in results]


def causes(results: list[LayerResult]) -> dict[str, str]:
    return {
        f"{each.layer}: {each.question}": each.problem.cause for each in results if each.problem
    }


def test_all_layers_are_asked_in_order() -> None:
    with served_files() as (url, ports):
        results = results_of(url, ports, rounds=2)

    assert asked(results) == [
        "port mapper: NULL",
        "port mapper: GETPORT MOUNT",
        "port mapper: GETPORT NFS",
        "port mapper: GETPORT NLM",
        "MOUNT 3: NULL",
        "MOUNT 1: NULL",
        "MOUNT 3: MNT /export",
        "NFS 3: NULL",
        "NFS 2: NULL",
        "NFS 3: FSINFO",
        "NFS 3: GETATTR",
    ]
    assert causes(results) == {}
    assert all(each.seconds is not None for each in results)


def test_answers_tell_ports_flavors_and_sizes() -> None:
    with served_files() as (url, ports):
        port = ports[NFS_PROGRAM, 3, "tcp"]
        answers = {each.question: each.answer for each in results_of(url, ports)}

    assert answers["GETPORT NFS"] == f"3 tcp {port}, 2 tcp {port}"
    assert answers["GETPORT NLM"] == "not registered: locks fail"
    assert answers["MNT /export"] == "OK, flavors unix"
    assert answers["FSINFO"] == "reads up to 1 MiB, writes up to 1 MiB"
    assert answers["GETATTR"] == "drwxrwxrwx, owner 0, group 0"


def test_version_2_is_asked_alone() -> None:
    with served_files() as (url, ports):
        results = results_of(url._replace(version=2), ports)

    programs = {each.layer for each in results}
    assert programs == {"port mapper", "MOUNT 1", "NFS 2"}
    assert causes(results) == {}
    assert asked(results)[-1] == "NFS 2: GETATTR"


def test_without_path_nothing_is_mounted() -> None:
    with served_files() as (url, ports), mapped(ports) as mapper:
        ping = ServerPing(url, mount=False, timeout=TIMEOUT, mapper=mapper)
        results = list(ping.round())
        ping.close()

    assert asked(results)[-1] == "NFS 2: NULL"


def test_ports_of_url_need_no_port_mapper() -> None:
    with served_files() as (url, ports):
        port = ports[NFS_PROGRAM, 3, "tcp"]
        results = pinged(url._replace(port=port, mount_port=port))

    assert asked(results)[0] == "MOUNT 3: NULL"
    assert causes(results) == {}


def test_missing_port_mapper_is_named() -> None:
    with refused_port() as port:
        url = NfsUrl(LOCALHOST, b"/export", port=port)
        results = pinged(url, mapper=f"{LOCALHOST}:{port}")

    assert causes(results)["port mapper: NULL"] == "mapper-not-running"
    assert causes(results)["NFS 3: NULL"] == "nfs-not-running"


def test_silent_port_mapper_is_named() -> None:
    with silent_port() as silent, refused_port() as refused:
        url = NfsUrl(LOCALHOST, b"/export", port=refused)
        results = pinged(url, mapper=f"{LOCALHOST}:{silent}", timeout=SHORT)

    assert causes(results)["port mapper: NULL"] == "mapper-silent"


def test_unregistered_program_is_named() -> None:
    with served_files() as (url, ports):
        nfs_only = {key: port for key, port in ports.items() if key[0] == NFS_PROGRAM}
        results = results_of(url, nfs_only)

    assert causes(results) == {"port mapper: GETPORT MOUNT": "mountd-not-registered"}
    assert asked(results)[-1] == "NFS 2: NULL"


def test_stale_registration_is_named() -> None:
    with served_files() as (url, ports), refused_port() as dead:
        results = results_of(url, ports | {(MOUNTPROG, 3, "tcp"): dead})

    assert causes(results) == {"MOUNT 3: NULL": "stale-registration"}
    assert "MOUNT 1: MNT /export" in asked(results)


@pytest.mark.slow
def test_program_that_never_answers_is_named() -> None:
    with silent_port() as silent:
        url = NfsUrl(LOCALHOST, b"/export")
        results = results_of(url, {(NFS_PROGRAM, 3, "tcp"): silent}, timeout=ANSWERED)

    assert causes(results)["NFS 3: NULL"] == "program-port-silent"


def test_server_that_ends_during_a_round_is_named() -> None:
    """It answers one call, and refuses connections from then on."""
    with socket.create_server((LOCALHOST, 0)) as listener, refused_port() as refused:
        url = NfsUrl(LOCALHOST, b"/export", port=refused, mount_port=listener.getsockname()[1])

        def answer_one_call() -> None:
            connection, _ = listener.accept()
            with connection:
                xid = connection.recv(4096)[4:8]
                listener.close()
                connection.sendall(encode_record(xid + pack(">IIIII", 1, 0, 0, 0, 0)))

        thread = threading.Thread(target=answer_one_call)
        thread.start()
        results = pinged(url)
        thread.join()

    assert causes(results)["MOUNT 3: MNT"] == "nfs-not-running"


def test_program_that_hangs_up_is_named() -> None:
    with Server(lambda _: HANG_UP) as server:
        url = NfsUrl(LOCALHOST, b"/export")
        results = results_of(url, {(NFS_PROGRAM, 3, "tcp"): server.tcp()})

    assert causes(results)["NFS 3: NULL"] == "closed-at-once"


def test_refused_path_is_named() -> None:
    with served_files() as (url, ports):
        results = results_of(url._replace(path=b"/secret"), ports)

    (refused,) = (each for each in results if each.problem)
    assert refused.question == "MNT /secret"
    assert refused.problem is not None
    assert "/secret" in refused.problem.sentence
    assert "NFS 3: GETATTR" not in asked(results)


def test_missing_directory_below_export_is_named() -> None:
    with served_files() as (url, ports):
        results = results_of(url._replace(path=b"/export/no"), ports)

    assert causes(results) == {"NFS 3: LOOKUP no": "path-missing"}
    assert asked(results)[-1] == "NFS 3: LOOKUP no"


def test_registered_but_missing_version_is_skipped() -> None:
    class Only3(NFS_V3.Service):
        pass

    with Server(serving(Only3())) as server:
        port = server.tcp()
        ports = {(NFS_PROGRAM, vers, "tcp"): port for vers in (3, 2)}
        results = results_of(NfsUrl(LOCALHOST, b"/"), ports)

    assert asked(results)[-1] == "NFS 3: NULL"


def test_udp_is_asked_where_registered() -> None:
    class Only3(NFS_V3.Service):
        pass

    with Server(serving(Only3())) as server:
        ports = {(NFS_PROGRAM, 3, "tcp"): server.tcp(), (NFS_PROGRAM, 3, "udp"): server.udp()}
        results = results_of(NfsUrl(LOCALHOST, b"/"), ports)

    assert [each.transport for each in results if each.layer == "NFS 3"] == ["tcp", "udp"]
    assert results[-1].problem is None


def test_sizes_are_exact() -> None:
    sizes = [size_text(size) for size in (0, 512, 8192, 1 << 20, 3 << 30)]

    assert sizes == ["0 bytes", "512 bytes", "8 KiB", "1 MiB", "3 GiB"]
