"""exportfs and rpc.mountd of nfs-utils make of files of exports(5) what we make of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.parse import parse_exports
from oncrpc.nfs.exports.render import exportfs_plain, exportfs_s, exportfs_v
from oncrpc.nfs.exports.rules import ExportRules
from oncrpc.nfs.exports.sources import ReadExports
from oncrpc.nfs.exports.table import ExportTable, table_of
from oncrpc.programs.mount import mountstat3
from support.fake_name_service import FakeNames
from support.loops import run
from support.namespace import PORT_MAPPERS, PYTHON
from support.nfs_utils import ExportsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

MANUAL = """\
# sample /etc/exports file
/               master(rw) trusty(rw,no_root_squash)
/projects       proj*.local.domain(rw)
/usr            *.local.domain(ro) @trusted(rw)
/home/joe       pc001(rw,all_squash,anonuid=150,anongid=100)
/pub            *(ro,insecure,all_squash)
/srv/www        -sync,rw server @trusted @external(ro)
/foo            2001:db8:9:e54::/64(rw) 192.0.2.0/24(rw)
/build          buildhost[0-9].local.domain(rw)
"""
HOSTS = {
    "198.51.100.1": "master",
    "198.51.100.2": "trusty",
    "198.51.100.3": "pc001",
    "198.51.100.4": "server",
    "198.51.100.5": "proj1.local.domain",
    "198.51.100.6": "buildhost7.local.domain",
    "198.51.100.7": "other.example.org",
}
NETGROUPS = {"trusted": "server", "external": "other.example.org"}

PATHS = [
    "/",
    "/srv",
    "/srv/www",
    "/a-path-of-more-than-fourteen-bytes",
    "/with space",
    "/o#x",
    "/é",
]
CLIENTS = [
    "master", "pc001", "192.0.2.1", "2001:db8::5", "192.0.2.0/24", "10.0.0.0/255.255.0.0",
    "2001:db8::/32", "192.0.2.7/8", "*.example.org", "buildhost[0-9].local.domain", "pro?",
    "@trusted", "@external", "*", "gss/krb5i",
]  # fmt: skip
OPTIONS = [
    "ro", "rw", "sync", "async", "secure", "insecure", "root_squash", "no_root_squash",
    "all_squash", "no_all_squash", "subtree_check", "no_subtree_check", "wdelay", "no_wdelay",
    "hide", "nohide", "crossmnt", "nocrossmnt", "secure_locks", "insecure_locks", "auth_nlm",
    "no_auth_nlm", "acl", "no_acl", "nordirplus", "security_label", "pnfs", "no_pnfs",
    "anonuid=150", "anonuid=-2", "anonuid=4294967290", "anongid=0", "anongid=100", "fsid=root",
    "fsid=0", "fsid=7", "fsid=0x10", "fsid=010", "fsid=3000000000",
    "mp", "mountpoint", "mp=/data",
    "mountpoint=/a/b", "refer=/a@b", "replicas=/a@b+c:/d@e", "sec=sys", "sec=krb5:sys",
    "sec=krb5i:krb5p", "sec=none:sys",
]  # fmt: skip
UUID = "fsid=00112233-4455-6677-8899-aabbccddeeff"
"""Besides a number, exportfs takes the beginning of the UUID for the number."""

MISTAKES = [
    "rwx", "", "RO", "ro=1", "anonuid=", "anonuid=joe", "anongid=x1", "fsid=", "fsid=xyz",
    "fsid=" + "a" * 31, "sec=", "sec=sys:", "sec=des", "sync=yes", "mp2",
]  # fmt: skip


@pytest.fixture(scope="module")
def host() -> Iterator[ExportsHost]:
    with ExportsHost() as host:
        host.set_names(HOSTS, NETGROUPS)
        yield host


@pytest.fixture(scope="module")
def mountd(host: ExportsHost) -> ExportsHost:
    host.start(PORT_MAPPERS["C rpcbind"])
    host.exportfs("/ *\n")
    host.start_mountd()
    return host


def table(exports: str) -> ExportTable:
    read = ReadExports()
    read.take(parse_exports(exports.encode(), "/etc/exports"))
    return table_of(read, lambda path: path)


def assert_same(host: ExportsHost, exports: str) -> None:
    theirs, ours = host.exportfs(exports), table(exports)

    assert ours.errors == []
    assert exportfs_s(ours).decode() == theirs.s, exports
    assert exportfs_v(ours).decode() == theirs.v, exports
    assert exportfs_plain(ours).decode() == theirs.plain, exports


def lists(elements: list[str], *, most: int) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(elements), max_size=most).map(",".join)


def written(path: str) -> list[str]:
    """The forms that a file may have a path in."""
    special = ' "\\\n'
    escaped = "".join(f"\\{ord(each):03o}" if each in special else each for each in path)
    return [escaped, f'"{path}"', f'{escaped[:1]}"{path[1:]}"']


@st.composite
def lines(draw: st.DrawFn) -> str:
    """A line: a path, default options, clients; with breaks and blanks between them."""
    words = [draw(st.sampled_from(PATHS).map(written).flatmap(st.sampled_from))]
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.integers(0, 3)) == 0:
            words.append("-" + draw(lists(OPTIONS, most=3)))
        client, options = draw(st.sampled_from(CLIENTS)), draw(lists(OPTIONS, most=6))
        with_options = f"{client}({options})"
        words.append(draw(st.sampled_from([client, with_options, f'"{with_options}"'])))
    blank = draw(st.sampled_from([" ", "\t ", " \\\n  "]))
    return blank.join(words) + draw(st.sampled_from(["", "  # a comment", " "])) + "\n"


FILES = st.lists(st.one_of(lines(), lines(), st.sampled_from(["\n", "# comment \\\n"])), max_size=6)


def test_example_of_the_manual_page(host: ExportsHost) -> None:
    assert_same(host, MANUAL)


@pytest.mark.parametrize("options", [*OPTIONS, UUID])
def test_each_option_has_the_same_meaning(host: ExportsHost, options: str) -> None:
    assert_same(host, f"/srv master({options})\n")


@pytest.mark.parametrize(
    "exports",
    [
        "/srv master(rw,sec=krb5:sys,ro,sec=krb5i,no_root_squash,rw,insecure)\n",
        "/srv -sec=sys,ro master(rw) trusty(sec=sys,rw) pc001(sec=krb5,no_root_squash)\n",
        "/srv -rw master -async trusty(ro) -ro,all_squash pc001\n",
        "/srv master(rw) master(ro)\n/srv master(rw,async)\n",
        "/srv (rw)\n/srv/www\n/ -rw\n",
        "/srv 192.0.2.0/24(rw)\n/ master\n/srv master\n",
        '"/with space" master\n/o\\043x "trusty(rw, async)"\n/a" b"c pc001(ro,)\n',
        "/srv master()\n/srv/www \\\n  trusty(rw) \\\n# comment \\\n/ pc001\n",
    ],
)
def test_form_has_the_same_meaning(host: ExportsHost, exports: str) -> None:
    assert_same(host, exports)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES.map("".join))
def test_generated_files_have_the_same_meaning(host: ExportsHost, exports: str) -> None:
    assert_same(host, exports)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_by_both(host: ExportsHost, mistake: str) -> None:
    exports = f"/srv master(ro,{mistake},rw)\n"

    assert host.exportfs(exports).s == ""
    assert exportfs_s(table(exports)) == b""
    assert len(table(exports).errors) == 1


@pytest.mark.parametrize("client", ["192.0.2.0/33", "192.0.2.0/255.255", "10.4/8", "::/129"])
def test_networks_are_refused_by_both(host: ExportsHost, client: str) -> None:
    exports = f"/srv {client}(ro)\n"

    assert host.exportfs(exports).s == ""
    assert exportfs_s(table(exports)) == b""


def test_duplicates_are_told_by_both(host: ExportsHost) -> None:
    exports = "/srv master(rw) master(ro)\n"

    assert "incompatible duplicated export entries" in host.exportfs(exports).complaints
    assert [each.text for each in table(exports).problems] == [
        "/srv has master already at /etc/exports:1:6, which has other options"
    ]


def shown(host: ExportsHost) -> dict[bytes, list[str]]:
    done = host.run(["showmount", "-e", "--no-headers", "127.0.0.1"])
    assert done.returncode == 0, done.stderr
    rows = [line.rpartition(" ") for line in done.stdout.splitlines()]
    return {
        path.rstrip().encode(): [] if groups == "(everyone)" else groups.split(",")
        for path, _, groups in rows
    }


def groups_of(exports: str) -> dict[bytes, list[str] | None]:
    lookups = HostLookups(FakeNames())
    return {
        path: ExportRules(lookups, export.entries).groups()
        for path, export in table(exports).exports.items()
    }


@pytest.mark.parametrize(
    "exports",
    [
        MANUAL.replace("server", "master"),  # rpc.mountd leaves out a name that is in a netgroup
        "/srv master trusty 198.51.100.7 *\n/srv/www *\n/ master gss/krb5\n",
        "/srv 192.0.2.1 198.51.100.9 192.0.2.0/24 @trusted\n/srv/www 192.0.2.0/24 192.0.2.1\n",
        "/srv proj1.local.domain master *.local.domain\n",
    ],
)
def test_mount_shows_the_same_groups(mountd: ExportsHost, exports: str) -> None:
    mountd.exportfs(exports)

    assert groups_of(exports) == shown(mountd)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES.filter(bool).map("".join))
def test_mount_shows_the_same_groups_again(mountd: ExportsHost, exports: str) -> None:
    mountd.exportfs(exports)

    assert groups_of(exports) == shown(mountd)


RULES = [
    "master", "198.51.100.2", "pc001", "198.51.100.0/30", "198.51.100.0/255.255.255.240",
    "*.local.domain", "proj?.local.domain", "[a-m]*", "@trusted", "@external", "*",
]  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(RULES), st.booleans()), min_size=1, max_size=6))
def test_both_choose_the_same_entry(mountd: ExportsHost, rules: list[tuple[str, bool]]) -> None:
    """A caller with a high port gets in by an entry with ``insecure``, and by no other.

    There is no such directory: rpc.mountd says so to a caller that it lets in.
    """
    clients = [f"{client}({'insecure' if insecure else 'secure'})" for client, insecure in rules]
    exports = f"/no-such-directory {' '.join(clients)}\n"
    mountd.exportfs(exports)
    in_by = dict[str, bool]()

    async def main() -> None:
        names = {name: [address] for address, name in HOSTS.items()}
        service = FakeNames(
            names, {address: [name] for address, name in HOSTS.items()},
            {group: [member] for group, member in NETGROUPS.items()},
        )  # fmt: skip
        found = ExportRules(HostLookups(service), parse_exports(exports.encode(), "x").entries)
        for caller in HOSTS:
            await found.ready(caller)
            options = found.options_for(caller)
            in_by[caller] = options is not None and not options.secure

    run(main())
    theirs = {
        caller: mountd.mnt(caller, b"/no-such-directory") == mountstat3.MNT3ERR_NOENT
        for caller in HOSTS
    }
    assert in_by == theirs, exports


SCRIPT = """
import asyncio, sys
from oncrpc.nfs.exports.sources import ExportSources
from oncrpc.nfs.exports.table import Exports

async def main():
    exports = Exports(ExportSources())
    exports.load()
    rules = exports.rules_of(b"/srv")
    for caller in sys.argv[1:]:
        await rules.ready(caller)
        entry = rules.ruling(caller).entry
        print("-" if entry is None else entry.client.text)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("client", "callers"),
    [
        ("master", {"198.51.100.1"}),
        ("@trusted", {"198.51.100.4"}),
        ("@external", {"198.51.100.7"}),
        ("@missing", set()),
        ("*.local.domain", {"198.51.100.5", "198.51.100.6"}),
        ("uno", {"198.51.100.1"}),
        ("un?", {"198.51.100.1"}),  # an alias
    ],
)
def test_name_services_of_the_host_are_asked(
    host: ExportsHost, client: str, callers: set[str]
) -> None:
    host.write("/etc/exports", f"/srv {client}(rw)\n")
    before = Path(host.path("/etc/hosts")).read_text()
    host.write("/etc/hosts", before.replace("master", "master uno"))

    done = host.run([PYTHON, "-c", SCRIPT, *HOSTS])
    host.write("/etc/hosts", before)

    assert done.returncode == 0, done.stderr
    found = dict(zip(HOSTS, done.stdout.split(), strict=True))
    assert {caller for caller, text in found.items() if text == client} == callers
