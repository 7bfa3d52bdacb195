"""``rpcsnoop -i``: the whole command, on a host whose port mapper is called."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

import oncrpc
from oncrpc import sync
from oncrpc.programs.portmap import PMAP_VERS
from support.hosts import Host, for_all, portmap, status_of
from support.mount_client import NFS, MountClient, MountFailed
from support.namespace import DEADLINE, PYTHON, end, environment, need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

SNOOP = [PYTHON, "-m", "oncrpc.cli.rpcsnoop"]
NOBODY = "65534"


class Snoop:
    """The command while it captures."""

    def __init__(self, host: Host, *options: str, **variables: str) -> None:
        self.child = subprocess.Popen(
            host.entered([*SNOOP, *options]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment() | variables,
        )
        assert self.child.stderr is not None
        self.began = self.child.stderr.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.child)

    def ended(self, by: int | None = None) -> tuple[int, str, str]:
        """The exit status, the output and the closing line."""
        if by is not None:
            self.child.send_signal(by)
        output, errors = self.child.communicate(timeout=DEADLINE)
        return self.child.returncode, output, errors


@pytest.fixture(scope="module")
def ordinary(host: Host) -> list[str]:
    """The command as an ordinary user can give it."""
    return for_all(host, SNOOP[-1])


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as made:
        made.start(portmap())
        yield made


def call(host: Host, netid: str = "udp") -> None:
    """Call the port mapper over loopback."""
    with sync.run(host.dial(netid, "127.0.0.1")) as link:
        sync.run(PMAP_VERS.Client(link).PMAPPROC_NULL())


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_with_all_lines_and_counts(host: Host, by: signal.Signals) -> None:
    with Snoop(host, "-i", "lo") as snoop:
        call(host)

        status, output, errors = snoop.ended(by)

    assert snoop.began == "rpcsnoop: capturing on lo; Ctrl-C ends it\n"
    assert [line.split()[-3:] for line in output.splitlines()] == [
        ["PORTMAP", "C", "Null"],
        ["PORTMAP", "R", "Null"],
    ]
    assert (status, errors) == (0, "rpcsnoop: 2 frames captured, 0 dropped by the kernel\n")


def test_top_counts_calls_of_an_interval(host: Host) -> None:
    with Snoop(host, "top", "-i", "lo", "--json", "--interval", "0.1") as snoop:
        call(host)

        status, output, _ = snoop.ended(signal.SIGINT)

    procedures = [each for line in output.splitlines() for each in json.loads(line)["procedures"]]
    assert status == 0
    assert sum(each["calls"] for each in procedures) == 1
    assert {(each["program"], each["vers"], each["procedure"]) for each in procedures} == {
        ("PMAP", 2, "NULL")
    }


def test_lines_are_shown_while_it_captures(host: Host) -> None:
    with Snoop(host, "-i", "any", "--json") as snoop:
        call(host)

        assert snoop.child.stdout is not None
        assert json.loads(snoop.child.stdout.readline())["procedure"] == "PMAPPROC_NULL"


def test_figures_are_shown_at_the_end(host: Host) -> None:
    with Snoop(host, "-i", "lo", "--stats") as snoop:
        call(host, "tcp")

        _, output, _ = snoop.ended(signal.SIGTERM)

    assert output.splitlines()[1].split()[:5] == ["PMAP", "2", "NULL", "1", "1"]


def test_refused_mount_is_explained(host: Host) -> None:
    with Snoop(host, "explain", "-i", "lo", "--json", "--client", "127.0.0.1") as snoop:
        with MountClient(host, "127.0.0.1") as client, pytest.raises(MountFailed):
            client.null("udp", 2049, NFS, 3)

        status, output, _ = snoop.ended(signal.SIGINT)

    assert (status, json.loads(output)["cause"]) == (1, "udp-refused")


def test_count_ends_the_capture(host: Host) -> None:
    with Snoop(host, "-i", "lo", "-c", "1") as snoop:
        call(host)

        status, output, _ = snoop.ended()

    assert (status, len(output.splitlines())) == (0, 1)


@pytest.mark.parametrize(
    ("variables", "user"), [({}, NOBODY), ({"SUDO_UID": "2"}, "2"), ({"SUDO_UID": "0"}, NOBODY)]
)
def test_privileges_are_given_up(host: Host, variables: dict[str, str], user: str) -> None:
    with Snoop(host, "-i", "lo", **variables) as snoop:
        found = status_of(snoop.child.pid)

    assert set(found["Uid"].split()) == {user}
    assert found["Groups"] == ""
    assert found["NoNewPrivs"] == "1"
    assert {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}


PRIVATE = """
mkdir -m 700 /run/private
mkdir /run/private/source
mount --bind {} /run/private/source
"""


def test_modules_that_nobody_may_read_suffice(host: Host) -> None:
    host.sh(PRIVATE.format(Path(oncrpc.__file__).resolve().parents[1]))

    # Coverage would look for the modules in a place that is gone with the host.
    unmeasured = dict.fromkeys((name for name in os.environ if name.startswith("COV")), "")

    with Snoop(host, "-i", "lo", "--json", PYTHONPATH="/run/private/source", **unmeasured) as snoop:
        call(host)
        status, output, _ = snoop.ended(signal.SIGTERM)

    assert (status, len(output.splitlines())) == (0, 2)


def test_root_may_stay_without_capabilities(host: Host) -> None:
    with Snoop(host, "-i", "lo", "-Z", "root") as snoop:
        found = status_of(snoop.child.pid)

    assert set(found["Uid"].split()) == {"0"}
    assert {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}


def test_tshark_reads_what_is_written(host: Host, tmp_path: Path) -> None:
    need("tshark", "capinfos")
    path = str(tmp_path / "capture")
    with Snoop(host, "-i", "lo", "-w", path) as snoop:
        call(host)
        call(host, "tcp")
        status, output, _ = snoop.ended(signal.SIGINT)

    infos = host.run(["capinfos", path]).stdout
    shown = host.run(["tshark", "-r", path, "-Y", "portmap", "-T", "fields", "-e", "frame.number"])
    assert (status, output, len(shown.stdout.split())) == (0, "", 4)
    assert "nanoseconds" in infos
    assert "Name = lo" in infos


def test_caller_of_sudo_owns_the_file(host: Host) -> None:
    folder = host.path("/run/theirs")
    os.mkdir(folder)
    os.chown(folder, 2, 2)

    with Snoop(host, "-i", "lo", "-w", "/run/theirs/capture", SUDO_UID="2") as snoop:
        snoop.ended(signal.SIGTERM)

    assert os.stat(f"{folder}/capture").st_uid == 2


def test_full_disk_is_reported(host: Host) -> None:
    with Snoop(host, "-i", "lo", "-w", "/dev/full") as snoop:
        status, _, errors = snoop.ended()

    assert (status, errors) == (1, "rpcsnoop: cannot write /dev/full: No space left on device\n")


def test_missing_privilege_is_explained(host: Host, ordinary: list[str]) -> None:
    done = host.run([*ordinary, "-i", "lo"], uid=1000)

    assert done.stderr == (
        "rpcsnoop: lo: capturing needs the capability CAP_NET_RAW: use sudo,"
        " or see PRIVILEGES in rpcsnoop(8)\n"
    )
    assert done.returncode == 1


def test_capability_alone_is_enough(host: Host, ordinary: list[str]) -> None:
    need("setpriv")
    ambient = ["--ambient-caps", "+net_raw", "--inh-caps", "+net_raw"]
    command = ["setpriv", "--reuid", "1000", "--clear-groups", *ambient, "--"]
    child = subprocess.Popen(
        host.entered([*command, *ordinary, "-i", "lo"]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert child.stderr is not None

    assert child.stderr.readline() == "rpcsnoop: capturing on lo; Ctrl-C ends it\n"
    assert int(status_of(child.pid)["CapPrm"], 16) == 0
    end(child)
