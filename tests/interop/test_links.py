"""An interface that comes up while the port mapper runs, as in a host that boots."""

from __future__ import annotations

import pytest

from support.hosts import Host, portmap, until

pytestmark = pytest.mark.interop

NEW_INTERFACE = """
ip link add new0 type veth peer name new1
ip address add 10.99.0.1/24 dev new0
ip link set new0 up
ip link set new1 up
"""
GROUP = "ff020000000000000000000000000202"


def joined(host: Host) -> set[str]:
    """The interfaces on which the port mappers' group has a member."""
    lines = host.run(["cat", "/proc/net/igmp6"]).stdout.splitlines()
    return {line.split()[1] for line in lines if GROUP in line}


def test_new_interface_joins_group_and_is_merged() -> None:
    with Host() as host:
        host.start(portmap())
        assert "new0" not in joined(host)

        host.sh(NEW_INTERFACE)

        until(lambda: "new0" in joined(host), "the group is joined on the new interface")
        found = host.run(["rpcinfo", "-T", "udp", "10.99.0.1", "100000", "4"])
        assert (found.returncode, found.stdout) == (
            0,
            "program 100000 version 4 ready and waiting\n",
        )
