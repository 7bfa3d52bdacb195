"""The policy file: its valid content; every error is one line with its place."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oncrpc.daemon.config.read import LONGEST_MESSAGE, MAX_SIZE, line_of_rule, read
from oncrpc.daemon.config.tables import HostsTable, RateTable
from oncrpc.daemon.config.values import Address, ConfigError, Family, FilePath, UserName
from oncrpc.portmap.config import (
    SCHEMA,
    LivenessTable,
    PortmapConfig,
    PortmapDaemonTable,
    RegistrationTable,
)

PATH = "/etc/portmap.toml"
EVERYTHING = """
trusted = ["192.0.2.0/24", "2001:db8::/56", "198.51.100.7"]

[daemon]
port = 1111
bind = ["2001:DB8:0::1"]
families = ["ipv6"]
user = "1000"
state-dir = "/srv/state"

[registration]
local-only = true
reserved-ports = false
foreign-versions = true
per-owner = 10
total = 500

[rate]
replies = 5
burst = 50

[liveness]
interval = 30
watch = true

[hosts]
enabled = false

[[rule]]
from = ["10.0.0.0/8", "local", "loopback"]
netid = ["udp", "local"]
procedure = ["GETPORT", "CALLIT"]
program = ["mountd", 100003]
uid = [0, 1000]
then = "deny"

  [[ rule ]]
then = "silent"

[web]
listen = "[0::1]:9111"
names = ["Map.example.org"]
"""


def mistake(text: str) -> str:
    """The error for a text that is not a policy."""
    with pytest.raises(ConfigError) as raised:
        SCHEMA.parse(text, PATH)
    message = str(raised.value)
    assert message.startswith(f"{PATH}: ")
    return message[len(PATH) + 2 :]


def mistake_in_rule(line: str) -> str:
    return mistake(f'[[rule]]\nthen = "deny"\n{line}\n')


def test_every_key_is_read() -> None:
    policy = SCHEMA.parse(EVERYTHING, PATH)

    assert policy.trusted_networks == [
        ip_network("192.0.2.0/24"), ip_network("2001:db8::/56"), ip_network("198.51.100.7/32"),
    ]  # fmt: skip
    assert policy.daemon == PortmapDaemonTable(
        port=1111,
        bind=(Address("2001:db8::1"),),
        families=(Family("ipv6"),),
        user=UserName("1000"),
        state_dir=FilePath("/srv/state"),
    )
    assert policy.registration == RegistrationTable(
        local_only=True, reserved_ports=False, foreign_versions=True, per_owner=10, total=500
    )
    assert policy.rate == RateTable(replies=5, burst=50)
    assert policy.liveness == LivenessTable(interval=30, watch=True)
    assert policy.hosts == HostsTable(enabled=False)
    assert (policy.web.listen, policy.web.names) == ("[::1]:9111", ("map.example.org",))
    assert [str(rule) for rule in policy.rule] == [
        'from = ["10.0.0.0/8", "local", "loopback"], netid = ["udp", "local"],'
        ' procedure = ["GETPORT", "CALLIT"], program = ["mountd", "nfs"], uid = [0, 1000],'
        ' then = "deny"',
        'then = "silent"',
    ]


def test_empty_file_sets_nothing() -> None:
    assert SCHEMA.parse("", PATH) == PortmapConfig()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("user = 1", "user: unknown key; the keys are trusted, daemon, rate, hosts, web, rule,"
                     " registration, remote-calls, liveness"),
        ("[liveness]\ninterval = nan", "liveness.interval: has to be at least 0"),
        ("[daemon]\nport = 65536", "daemon.port: may be at most 65535"),
        ("[daemon]\nport = '111'", "daemon.port: has to be a whole number, not text in quotes"),
        ("[daemon]\nbind = ['::1', 'lo']", "daemon.bind[1]: 'lo' is not an IPv4 or IPv6 address"),
        ("[daemon]\nbind = [1]", "daemon.bind[0]: 1 is not an IPv4 or IPv6 address"),
        ("[daemon]\nbind = ['::1']\nloopback = true",
         "daemon: bind and loopback = true contradict each other; remove one"),
        ("[daemon]\nfamilies = ['inet']",
         """daemon.families[0]: is 'inet'; write "ipv4" or "ipv6\""""),
        ("[daemon]\nfamilies = []",
         "daemon: families is empty, so nothing would be served; remove it"),
        ("[daemon]\nlocal = 0", "daemon.local: has to be true or false, not a whole number"),
        ("[daemon]\nuser = 0", "daemon.user: 0 is not a user; write a name, or a number in quotes"),
        ('[daemon]\nuser = "a\\u0000"',
         "daemon.user: 'a\\x00' is not a user; write a name, or a number in quotes"),
        ("[daemon]\npid-file = 'pid'",
         "daemon.pid-file: 'pid' is not an absolute path; write one that begins with /"),
        ("[daemon]\nstate = false\nstate-dir = '/a'",
         "daemon: state-dir and state = false contradict each other; remove one"),
        ("[daemon]\nlog-format = 'xml'",
         """daemon.log-format: is 'xml'; write "text" or "json\""""),
        ("[rate]\nrepiles = 1", "rate.repiles: unknown key; the keys are replies, burst"),
        ("[rate]\nreplies = '5'", "rate.replies: has to be a whole number, not text in quotes"),
        ("[rate]\nreplies = 5.0",
         "rate.replies: has to be a whole number, not a number with a decimal point"),
        ("[rate]\nreplies = 1979-05-27", "rate.replies: has to be a whole number, not a date"),
        ("[rate]\nreplies = -1", "rate.replies: has to be at least 0"),
        ("[rate]\nburst = 10000001", "rate.burst: may be at most 10000000"),
        ("[hosts]\nenabled = 1", "hosts.enabled: has to be true or false, not a whole number"),
        ("[liveness]\ninterval = true", "liveness.interval: has to be a number,"
                                        " not true or false"),
        ("[registration]\ntotal = 63", "registration.total: has to be at least 64"),
        ("trusted = '10.0.0.0/8'", "trusted: has to be a list in brackets, not text in quotes"),
        ("trusted = ['10.0.0.0/33']",
         "trusted[0]: '10.0.0.0/33' is not a network; write ADDRESS/BITS"),
        ("trusted = ['10.0.0.0/255.0.0.0']",
         "trusted[0]: '10.0.0.0/255.0.0.0' is not a network; write ADDRESS/BITS"),
        ("trusted = ['::1', 'fe80::%lan0/64']",
         "trusted[1]: 'fe80::%lan0/64' is not a network; write ADDRESS/BITS"),
        ("trusted = [5]", "trusted[0]: 5 is not a network; write ADDRESS/BITS"),
        ("trusted = ['10.1.0.0/8']",
         "trusted[0]: '10.1.0.0/8' has bits beyond its length; write 10.0.0.0/8"),
        ("[rule]\nthen = 'deny'", "rule: begins with [[rule]], in two brackets"),
        ("[[rule]]\nfrom = ['::1']", "rule[0]: has no 'then'"),
        ("[[rule]]\nthen = 'deny'\n[[rule]]\nthen = 'drop'",
         """rule[1].then: is 'drop'; write "allow", "deny" or "silent\""""),
        ("rate = ", "Invalid value (at end of document)"),
        ('"\\u001b[2J\\n" = 1', "\\x1b[2J\\x0a: unknown key; the keys are trusted,"
                                " daemon, rate, hosts, web, rule, registration,"
                                " remote-calls, liveness"),
        ("a = " + "9" * 5000, "a number or a date is out of range"),
        ("a = " + "[" * 5000, "lists or tables are nested too deeply"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(text: str, line: str) -> None:
    assert mistake(text) == line


@pytest.mark.parametrize(
    ("line", "place", "why"),
    [
        ("from = ['10.0.0.0/33']", "rule[0].from[0]", "write ADDRESS/BITS, local or loopback"),
        ("from = []", "rule[0].from", "is empty, and would match nothing; leave it out"),
        ("netid = ['sctp']", "rule[0].netid[0]", "write one of udp, tcp, udp6, tcp6, local"),
        ("procedure = ['NULL']", "rule[0].procedure[0]", "everybody may call it"),
        ("procedure = ['getport']", "rule[0].procedure[0]", "'getport' is not a procedure"),
        ("program = ['nfsd3']", "rule[0].program[0]", "its name in /etc/rpc"),
        ("program = [4294967296]", "rule[0].program[0]", "4294967296 is not a program"),
        ("program = [true]", "rule[0].program[0]", "True is not a program"),
        ("uid = [-1]", "rule[0].uid[0]", "has to be at least 0"),
        ("uid = ['root']", "rule[0].uid[0]", "not text in quotes"),
        ("uid = [0]\nfrom = ['loopback']", "rule[0]", 'from has no "local"'),
        ("program = [1]\nprocedure = ['DUMP']", "rule[0]", "none of its procedures"),
        ("log = true", "rule[0].log", "the keys are then, from, netid, procedure, program, uid"),
    ],
)
def test_mistake_in_a_rule_has_its_place(line: str, place: str, why: str) -> None:
    message = mistake_in_rule(line)

    assert message.startswith(f"{place}: ")
    assert why in message


KEYS = ("trusted", "rule", "rate", "hosts", "registration", "liveness", "daemon", "bind",
        "families", "user", "state-dir", "then", "from", "netid",
        "procedure", "program", "uid", "replies", "total", "x", '"a`\\n - at `$.b"')  # fmt: skip
VALUES = ('"10.0.0.0/8"', '"local"', '"deny"', '"DUMP"', '"mountd"', '"udp"', "5", "-1", "true",
          "1.5", "nan", "1979-05-27", "[]", '["local"]', "[1]", "{}", "{x=1}")  # fmt: skip
LINES = st.one_of(
    st.builds("[{}]".format, st.sampled_from(KEYS)),
    st.builds("[[{}]]".format, st.sampled_from(KEYS)),
    st.builds("{} = {}".format, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.builds("{} = [{}]".format, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.text(max_size=20),
)


def outcome(text: str) -> PortmapConfig | str:
    try:
        return SCHEMA.parse(text, PATH)
    except ConfigError as error:
        return str(error)


@given(st.one_of(st.text(), st.lists(LINES, max_size=8).map("\n".join)))
@example("[[[[")
@example("x" * 2000 + " = 1")
@example('"a` - at `$.b" = 1')
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    found = outcome(text)

    if isinstance(found, PortmapConfig):
        lines = [line_of_rule(text, number) for number in range(len(found.rule))]
        assert lines == sorted(lines, key=lambda line: line or 0)
    else:
        assert found.isprintable()
        assert len(found) <= len(PATH) + 2 + LONGEST_MESSAGE + 3


def test_a_rule_is_found_by_its_line() -> None:
    assert [line_of_rule(EVERYTHING, number) for number in (0, 1)] == [29, 37]


def test_rule_in_an_inline_table_has_no_line() -> None:
    assert line_of_rule("rule = [{then = 'deny'}]", 0) is None


def written(path: Path, data: bytes = b"", mode: int = 0o644) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def test_a_file_is_read_by_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "policy", b"[rate]\nreplies = 7\n")

    assert SCHEMA.load(path).rate.replies == 7


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*/none: no such file or directory"):
        SCHEMA.load(str(tmp_path / "none"))


def test_the_default_file_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = tmp_path / "portmap.toml"
    monkeypatch.setattr(SCHEMA, "file", str(default))
    assert SCHEMA.load(None) == PortmapConfig()

    written(default, b"[rate]\nreplies = 7\n")

    assert SCHEMA.load(None).rate.replies == 7


def test_dangling_link_is_not_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = tmp_path / "portmap.toml"
    default.symlink_to(tmp_path / "none")
    monkeypatch.setattr(SCHEMA, "file", str(default))

    with pytest.raises(ConfigError, match="no such file"):
        SCHEMA.load(None)


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="can be written by others than its owner: chmod go-w"):
        read(written(tmp_path / "policy", mode=mode))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "policy")
    os.chown(path, 1000, 1000)

    with pytest.raises(ConfigError, match="belongs to uid 1000; it must belong to root"):
        read(path)


def test_special_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(ConfigError, match="is not a regular file"):
            read(str(path))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a directory|not a regular file"):
        read(str(tmp_path))


def test_file_longer_than_the_limit_is_refused(tmp_path: Path) -> None:
    assert len(read(written(tmp_path / "policy", b"#" * MAX_SIZE))) == MAX_SIZE

    with pytest.raises(ConfigError, match=f"is longer than {MAX_SIZE} bytes"):
        read(written(tmp_path / "policy", b"#" * (MAX_SIZE + 1)))


def test_a_file_is_utf_8(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="byte 2 is not UTF-8"):
        read(written(tmp_path / "policy", b"# \xff"))


def test_unreadable_file_error_names_our_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)

    with pytest.raises(ConfigError, match=r"permission denied to uid \d+; chmod o\+r"):
        read(str(tmp_path / "policy"))
