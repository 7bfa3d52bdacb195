"""hosts.allow, hosts.deny and lists of patterns (hosts_access(5)).

There is always a decision, or the name of the caller is needed for it. What is told of mistakes is
short and can be printed. And nothing that stands behind it undoes ``ALL: ALL`` in hosts.deny.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random

from fuzz.driver import Target
from fuzz.mutation import joined, mutated_text, parted
from oncrpc.access.hosts.patterns import NameNeeded, host_at
from oncrpc.access.hosts.reader import ListUnreadable, parse, text_of
from oncrpc.access.hosts.rules import HostsFile, judge
from oncrpc.portmap.vocabulary import hosts_daemon

TOKENS = (
    "rpcbind", "portmap", "ALL", "all", "EXCEPT", "LOCAL", "KNOWN", "UNKNOWN", "PARANOID", ":", ",",
    " ", "@", "111", "+111", "/", "/list", "/nolist", "[", "]", "[::1]", "[2001:db8::]/32", "::1",
    "192.0.2.", "192.0.2.0/255.255.255.0", "192.0.2.0/24", "192.0.2.1", ".example.org", "*", "?",
    "*.*.*", "0x7f.1.2.3", "0177.0.0.1", "255.255.255.255", "-1", "#", "\\\n", "\n", "@group",
    "allow", "deny", "spawn (x) &", "twist x", "severity auth.info", "keepalive", "linger 5",
    "user@host", "rpcbind@192.0.2.2", "banners /x", "umask 022", "nice", "setenv A b", "aclexec x",
)  # fmt: skip
SEEDS = (
    "ALL: ALL\n",
    "rpcbind: 192.0.2.0/255.255.255.0 [2001:db8::]/32\nrpcbind : ALL : deny\n",
    "portmap, rpcbind: ALL EXCEPT 192.0.2.1 EXCEPT LOCAL\n",
    "ALL EXCEPT rpcbind: .example.org, UNKNOWN\n# x\n",
    "rpcbind@192.0.2.2: /list\nrpcbind: PARANOID: spawn (echo %h) & : allow\n",
    "rpcbind: 10.\\\n20. : severity daemon.info : keepalive : deny\n",
    "",
)
HOSTS = ("192.0.2.1", "10.20.0.1", "127.0.0.1", "2001:db8::1", "fe80::1%lan0", "::ffff:192.0.2.1",
         "", "::1")  # fmt: skip
NAMES = (None, "host.example.org", "host", "unknown", "paranoid", "")
DENIES_ALL = "ALL: ALL\n"
LONGEST_WARNING = 400


def make(source: Random) -> bytes:
    """Both files, and a list that they may name."""
    texts = [mutated_text(source.choice(SEEDS), source, TOKENS) for _ in range(2)]
    listed = mutated_text("192.0.2.1 .example.org\n/list", source, TOKENS)
    return joined(*(each.encode("utf-8", "replace") for each in (*texts, listed)))


def run(data: bytes) -> None:
    """Read them, and judge hosts by them."""
    allow_text, deny_text, listed = map(text_of, parted(data, 3))
    allow = _parsed(allow_text, listed, allows=True)
    deny = _parsed(deny_text, listed, allows=False)
    nothing, closed = (
        HostsFile("allow", True),
        _parsed(DENIES_ALL + deny_text, listed, allows=False),
    )
    for address in HOSTS:
        local = host_at("192.0.2.2" if "." in address else "2001:db8::2", "unknown")
        for name in NAMES:
            client = host_at(address, name)
            with suppress(NameNeeded):
                judge(allow, deny, client=client, local=local)
            if address:
                assert not judge(nothing, closed, client=client, local=local).allowed


def _parsed(text: str, listed: str, *, allows: bool) -> HostsFile:
    def read_list(path: str) -> str:
        if path == "/list":
            return listed
        if path.startswith("/n"):
            raise FileNotFoundError(path)
        raise ListUnreadable(f"{path} cannot be read")

    rules = parse(text, hosts_daemon(), path="/etc/hosts", allows=allows, read_list=read_list)
    for told in (*rules.warnings, *rules.netgroups):
        assert told.isprintable(), told
        assert len(told) <= LONGEST_WARNING, told
    return rules


TARGET = Target("hosts_files", make, run)
