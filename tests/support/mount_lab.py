"""A client and servers on links, where mounts fail for real, and what the client's links carry.

Each scenario has its own address on both sides, so that all may run at the same time:

    with MountLab() as lab:
        site = lab.site("ours")
        with MountClient(lab.client, site.server) as client: ...
        lab.capture(site)
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from support.captured import Timed, pcap
from support.ganesha import start_ganesha
from support.hosts import Host, portmap, until
from support.namespace import PYTHON
from support.recorder import Recorder
from support.scripted_server import Handle, Server

LINK = """
ip link add net{number} type veth peer name net0 netns {pid}
ip address add 10.{net}.0.1/16 dev net{number}
ip link set net{number} up
"""
SERVER = """
ip address add 10.{net}.0.2/16 dev net0
ip link set net0 up
sysctl -qw net.ipv4.ip_forward=1
ip rule add pref 100 lookup local
ip rule del pref 0
"""
"""Rules of a scenario come before the table of local addresses."""

NARROW_CLIENT = "ip link set net{number} mtu 1000"
NARROW_SERVER = "ip link set net0 gso_max_segs 1"
"""A link that drops large packets; with larger segments the kernel would cut them behind it."""

ADDRESSES = """
ip address add 10.{net}.1.{number}/32 dev net{link}
ip route add 10.{net}.2.{number} dev net{link} src 10.{net}.1.{number} {options}
"""
BEHIND = """
ip link add far{net} type veth peer name net0 netns {pid}
ip address add 10.{net}.0.1/16 dev far{net}
ip link set far{net} up
"""
FAR = """
ip address add 10.{net}.0.2/16 dev net0
ip link set net0 up
ip route add default via 10.{net}.0.1
"""
FILES = """
mount -t tmpfs tmpfs /srv
mkdir -p /srv/data /srv/closed /srv/private /srv/secure /srv/state
chmod 700 /srv/private /srv/state
echo hello > /srv/data/hello.txt
cat > /srv/exports <<END
/srv/data *(rw)
/srv/private *(rw)
/srv/closed 192.0.2.1(rw)
END
"""
NFSD = (
    PYTHON, "-m", "oncrpc.cli.nfsd", "-f", "--exports", "/srv/exports", "--state-dir", "/srv/state",
    "--port-mapper", "own",
)  # fmt: skip
NETWORKS = {"scripted": 51, "nfsd": 52, "narrow": 53, "ganesha": 54}
"""The server behind each link of the client: the second number of its addresses."""


class Site(NamedTuple):
    """The addresses of a scenario, and the host of its server."""

    client: str
    server: str
    host: Host
    kind: str


class MountLab:
    """The client and its servers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._recorders: list[Recorder] = []
        self._lock = threading.Lock()
        self._used = dict.fromkeys(NETWORKS, 0)
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        with self._stack:
            self.client = self._stack.enter_context(Host())
            for number, (kind, net) in enumerate(NETWORKS.items()):
                host = self.hosts[kind] = self._stack.enter_context(Host())
                self.client.sh(LINK.format(number=number, pid=host.within, net=net))
                host.sh(SERVER.format(net=net))
                recorder = Recorder(self.client, f"net{number}")
                self._recorders.append(self._stack.enter_context(recorder))
            self.client.sh(NARROW_CLIENT.format(number=list(NETWORKS).index("narrow")))
            self.hosts["narrow"].sh(NARROW_SERVER)
            self._start_nfsd(self.hosts["nfsd"])
            self._kept = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kept.__exit__(kind, error, trace)

    def _start_nfsd(self, host: Host) -> None:
        host.sh(FILES)
        host.popen(NFSD)
        until(lambda: host.serves("tcp", "127.0.0.1", 2049), "nfsd serves")

    def start_ganesha(self) -> None:
        """Start nfs-ganesha on its host."""
        self.hosts["ganesha"].start(portmap())
        start_ganesha(self.hosts["ganesha"], self._folder, protocols="3, 4")

    def site(self, kind: str = "scripted", *, options: str = "") -> Site:
        """New addresses for a scenario; ``options`` are those of the client's route."""
        with self._lock:
            self._used[kind] += 1
            number = self._used[kind]
        net, link, host = NETWORKS[kind], list(NETWORKS).index(kind), self.hosts[kind]
        site = Site(f"10.{net}.1.{number}", f"10.{net}.2.{number}", host, kind)
        host.sh(f"ip address add {site.server}/32 dev net0")
        self.client.sh(ADDRESSES.format(net=net, number=number, link=link, options=options))
        return site

    def serve(self, site: Site, handle: Handle, *ports: int, udp: bool = True) -> Server:
        """Answer at ports of a site by a handler."""
        server = Server(handle)
        with site.host.network():
            for port in ports:
                server.tcp(site.server, port)
                if udp:
                    server.udp(site.server, port)
        return self._kept.enter_context(server)

    def far_site(self, kind: str, network: int, *, options: str = "") -> Site:
        """A site whose server is behind the server of a link, which forwards packets."""
        site, far = self.site(kind), self._kept.enter_context(Host())
        site.host.sh(BEHIND.format(pid=far.within, net=network))
        far.sh(FAR.format(net=network))
        gateway = f"10.{NETWORKS[kind]}.0.2"
        found = site._replace(server=f"10.{network}.0.2", host=far)
        route = f"{found.server} via {gateway} src {site.client} {options}"
        self.client.sh(f"ip route add {route}")
        return found

    def capture(self) -> list[Timed]:
        """What the links of the client have carried since the last call, in order of time."""
        return sorted(frame for each in self._recorders for frame in each.frames())


def of_client(frames: list[Timed], client: str) -> bytes:
    """A capture of the frames from or to an address, also of ARP."""
    address = ip_address(client).packed
    places = (slice(26, 30), slice(30, 34), slice(28, 32), slice(38, 42))
    kept = [
        (time, data)
        for time, data in frames
        if any(data[place] == address for place in (places[:2] if _is_ip(data) else places[2:]))
    ]
    return pcap(kept, nanoseconds=True)


def _is_ip(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00"
