"""The life of the NFS server: status, reload, restart in place, its end, and another start."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.programs.mount import MOUNTPROG
from oncrpc.programs.nfs3 import NFS_PROGRAM
from oncrpc.programs.nfsacl import NFS_ACL_PROGRAM
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.rquota import RQUOTAPROG
from oncrpc.programs.sm_inter import SM_PROG
from support.hosts import C_RPCBIND, finished, status_of, until
from support.namespace import end, need
from support.nfs_host import NFSD, PLACES, NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

EXPORTS = "/srv/tmpfs *(rw,insecure,no_root_squash,no_subtree_check)\n"
STATE = ("--state-dir", "/srv/state")
SIZE = 300 << 20
RESTARTS = 3
CAPABILITIES = sum(1 << number for number in (0, 1, 2, 3, 4, 6, 7, 10, 27))
"""CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETGID, SETUID, NET_BIND_SERVICE, MKNOD."""


@pytest.fixture
def host() -> Iterator[NfsHost]:
    """A host that exports one directory."""
    with NfsHost(EXPORTS) as made:
        until(lambda: registered(made) == {1, 2, 3}, "all versions are registered")
        yield made


def registered(host: NfsHost) -> set[int]:
    """The versions of MOUNT that clients find, over every transport."""
    found = [(entry.r_vers, entry.r_netid) for entry in host.registered(MOUNTPROG)]
    return {vers for vers, _ in found if len([each for each in found if each[0] == vers]) == 4}


SERVED = {
    NFS_PROGRAM: {2, 3},
    NFS_ACL_PROGRAM: {2, 3},
    NLM_PROG: {1, 3, 4},
    SM_PROG: {1},
    RQUOTAPROG: {1, 2},
    MOUNTPROG: {1, 2, 3},
}


def nfsd(host: NfsHost, *arguments: str) -> str:
    """Run a command about the server; it has to succeed."""
    done = host.run([*NFSD, *arguments, *STATE])
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_status_describes_the_server(host: NfsHost) -> None:
    host.run(["nfs-ls", "nfs://127.0.0.1/srv/tmpfs"])

    found = json.loads(nfsd(host, "status", "--json"))

    assert (found["mode"], found["mapper"]) == ("root", {"kind": "host", "port": 111, "fault": ""})
    assert [(each["path"], each["ids"]) for each in found["exports"]] == [("/srv/tmpfs", "kernel")]
    assert [each["host"] for each in found["clients"]] == ["127.0.0.1"]
    called = {each["procedure"] for each in found["calls"]["procedures"] if each["calls"]}
    assert {"MNT", "FSINFO", "READDIRPLUS"} <= called


@pytest.mark.parametrize("prog", SERVED)
def test_program_is_listed_on_every_transport(host: NfsHost, prog: int) -> None:
    netids = ("udp", "tcp", "udp6", "tcp6")
    expected = {(vers, netid) for vers in SERVED[prog] for netid in netids}

    def listed() -> set[tuple[int, str]]:
        return {(entry.r_vers, entry.r_netid.decode()) for entry in host.registered(prog)}

    until(lambda: listed() == expected, "all versions are registered")


def test_server_keeps_few_capabilities_and_no_umask(host: NfsHost) -> None:
    status = status_of(host.nfsd.pid)

    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == CAPABILITIES
    assert (status["NoNewPrivs"], status["Umask"]) == ("1", "0000")


def test_reload_exports_what_the_file_names(host: NfsHost) -> None:
    Path(host.path("/srv/exports")).write_text(f"{EXPORTS}/srv/ext4 *(ro,insecure)\n")

    assert "has read its files again" in nfsd(host, "reload")

    listed = host.run(["nfs-ls", "nfs://127.0.0.1/srv/ext4"])
    assert "hello.txt" in listed.stdout


def test_restart_in_place_keeps_everything(host: NfsHost) -> None:
    pid = host.nfsd.pid
    before = json.loads(nfsd(host, "status", "--json"))
    nfsd(host, "reload", "--exec")
    after = json.loads(nfsd(host, "status", "--json"))

    assert (before["pid"], after["pid"]) == (pid, pid)
    assert before["exports"] == after["exports"]
    assert before["sockets"] == after["sockets"]
    assert int(status_of(pid)["CapEff"], 16) == CAPABILITIES
    assert host.registered(NFS_PROGRAM)
    assert host.registered(MOUNTPROG)


def test_copies_go_on_over_restarts_in_place(host: NfsHost) -> None:
    need("nfs-cp", "cmp")
    host.sh(f"head -c {SIZE} /dev/urandom > /srv/large")
    reading = ["nfs-cp", "nfs://127.0.0.1/srv/tmpfs/there", "/srv/back"]
    writing = ["nfs-cp", "/srv/large", "nfs://127.0.0.1/srv/tmpfs/there"]

    for command, made in ((writing, "/srv/tmpfs/there"), (reading, "/srv/back")):
        copy = host.popen(command)
        for _ in range(RESTARTS):
            nfsd(host, "reload", "--exec")
            if copy.poll() is not None:
                assert finished(copy) == 0
                host.sh(f"rm {made}")
                copy = host.popen(command)
        assert finished(copy) == 0

    host.sh("cmp /srv/large /srv/tmpfs/there; cmp /srv/large /srv/back")


def test_port_mapper_that_restarts_learns_the_programs(host: NfsHost) -> None:
    need(C_RPCBIND.needs)
    host.sh(f"kill -9 {host.port_mapper_pid()}; rm -rf /run/portmap /run/rpcbind.sock")
    until(lambda: not host.serves("tcp", "127.0.0.1"), "the port mapper ends")
    host.start(C_RPCBIND)

    until(lambda: registered(host) == {1, 2, 3}, "nfsd registers again")


def test_end_unregisters_and_frees_the_state(host: NfsHost) -> None:
    host.nfsd.send_signal(signal.SIGTERM)

    assert finished(host.nfsd) == 0
    assert host.registered(NFS_PROGRAM) == host.registered(MOUNTPROG) == []
    assert host.run([*NFSD, "status", *STATE]).returncode == 3
    assert not Path(host.path("/srv/state/control")).exists()


def test_second_server_on_the_same_state_is_refused(host: NfsHost) -> None:
    options = ["-p", "2050", "--port-mapper", "none"]
    done = host.run([*NFSD, *PLACES, *options])

    assert done.returncode == 1
    assert "another daemon keeps its state in /srv/state" in done.stderr


def test_host_without_port_mapper_gets_ours(host: NfsHost) -> None:
    host.nfsd.terminate()
    host.nfsd.wait()
    end(host.nfsd)
    host.sh(f"kill {host.port_mapper_pid()}")
    until(lambda: not host.serves("tcp", "127.0.0.1"), "the port mapper ends")

    host.popen([*NFSD, *PLACES])

    until(lambda: host.serves("tcp", "127.0.0.1"), "port 111 is served")
    need("showmount")
    listed = host.run(["showmount", "-e", "127.0.0.1", "--no-headers"])
    assert listed.stdout.split() == ["/srv/tmpfs", "*"], listed
    assert "hello.txt" in host.run(["nfs-ls", "nfs://127.0.0.1/srv/tmpfs"]).stdout
    nfsd(host, "reload", "--exec")
    assert host.run(["showmount", "-e", "127.0.0.1"]).returncode == 0


def test_server_as_another_user_keeps_kernel_handles(host: NfsHost) -> None:
    host.nfsd.terminate()
    host.nfsd.wait()
    host.sh("chown -R 65534:65534 /srv/state")

    started = host.popen([*NFSD, *PLACES, "-u", "65534"])
    until(lambda: host.serves("tcp", "127.0.0.1", 2049), "nfsd serves")

    found = json.loads(nfsd(host, "status", "--json"))
    assert (found["mode"], found["exports"][0]["ids"]) == ("handles", "kernel")
    assert int(status_of(started.pid)["CapEff"], 16) == 1 << 2 | 1 << 10
    assert status_of(started.pid)["Uid"].split()[1] == "65534"
    copied = host.run(["nfs-cp", "/etc/hostname", "nfs://127.0.0.1/srv/tmpfs/new"])
    assert copied.returncode == 0, copied
    assert Path(host.path("/srv/tmpfs/new")).stat().st_uid == 65534
