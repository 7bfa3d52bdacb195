"""The command portmap explain: which rule decides, and the exit status that says how."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from oncrpc.access.hosts.access import HostsAccess
from oncrpc.cli import portmap
from oncrpc.cli import subcommands as words
from oncrpc.cli.portmap import explain as portmap_explain
from oncrpc.cli.portmap.explain import main, parser
from oncrpc.portmap.config import SCHEMA

DOCS = Path(__file__).parents[3] / "docs"
PAGE, HOWTO = DOCS / "reference" / "portmap.md", DOCS / "howto" / "policy.md"
POLICY = """\
# Of this office.

[[rule]]
from = ["10.0.0.7"]
program = ["mountd"]
then = "allow"

[[rule]]
from = ["10.0.0.0/8"]
procedure = ["GETPORT", "DUMP"]
then = "deny"

[[rule]]
uid = [1000]
then = "silent"

[[rule]]
from = ["loopback"]
netid = ["tcp"]
then = "deny"
"""
Explain = Callable[..., tuple[int, str]]


@pytest.fixture
def explain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Explain:
    """Runs the command on a policy and on files of hosts_access: its status, and what it wrote."""
    path = tmp_path / "portmap.toml"
    hosts = partial(HostsAccess, allow=str(tmp_path / "allow"), deny=str(tmp_path / "deny"))
    monkeypatch.setattr(portmap_explain, "HostsAccess", hosts)
    monkeypatch.setattr(SCHEMA, "file", str(tmp_path / "none"))

    def run(*words: str, policy: str = POLICY, deny: str = "") -> tuple[int, str]:
        path.write_text(policy)
        path.chmod(0o644)
        (tmp_path / "deny").write_text(deny)
        status = main([*words, "--config", str(path)])
        written = capsys.readouterr()
        return status, (written.out + written.err).replace(str(tmp_path), "")

    return run


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ("10.0.0.5 GETPORT 100005", 1,
         'denied: /portmap.toml, line 8: rule[1]: from = ["10.0.0.0/8"],'
         ' procedure = ["GETPORT", "DUMP"], then = "deny"'),
        ("10.0.0.7 GETPORT mountd", 0,
         'allowed: /portmap.toml, line 3: rule[0]: from = ["10.0.0.7/32"],'
         ' program = ["mountd"], then = "allow"'),
        ("local:1000 SET 400001", 1,
         'not answered: /portmap.toml, line 13: rule[2]: uid = [1000], then = "silent"'),
        ("127.0.0.1 DUMP --netid tcp", 1,
         'denied: /portmap.toml, line 17: rule[3]: from = ["loopback"], netid = ["tcp"],'
         ' then = "deny"'),
        ("127.0.0.1 DUMP", 0,
         "allowed: no rule of /portmap.toml, hosts.allow or hosts.deny fits"),
        ("local:0 DUMP", 0, "allowed: no rule of /portmap.toml fits"),
        ("2001:db8::1 GETADDR nfs", 0,
         "allowed: no rule of /portmap.toml, hosts.allow or hosts.deny fits"),
        ("10.0.0.5 NULL", 0, "allowed: NULL does nothing, and is answered to everybody"),
    ],
)  # fmt: skip
def test_explain_names_the_deciding_rule(
    explain: Explain, words: str, status: int, line: str
) -> None:
    assert explain(*words.split()) == (status, line + "\n")


NO_RULE = "allowed: no rule of /portmap.toml, hosts.allow or hosts.deny fits"
DECLINED = "but the daemon declines it: it is from another host, which needs --insecure"
NOT_MADE = "but the daemon makes no calls for others, unless it has --remote-calls"
LOCAL_ONLY = "but the daemon declines it: local-only is true, and it is not over that socket"


@pytest.mark.parametrize(
    ("words", "policy", "lines"),
    [
        ("192.0.2.9 SET nfs", "", [NO_RULE, DECLINED]),
        ("192.0.2.9 UNSET nfs", "[daemon]\ninsecure = true\n", [NO_RULE]),
        ("::1 SET nfs", "", [NO_RULE]),
        ("::1 SET nfs", "[registration]\nlocal-only = true\n", [NO_RULE, LOCAL_ONLY]),
        ("::1 CALLIT nfs", "", [NO_RULE, NOT_MADE]),
        ("::1 CALLIT nfs", "[daemon]\nremote-calls = true\n", [NO_RULE]),
    ],
)
def test_later_refusal_is_reported(
    explain: Explain, words: str, policy: str, lines: list[str]
) -> None:
    assert explain(*words.split(), policy=policy) == (0, "".join(f"{line}\n" for line in lines))


def test_a_line_of_hosts_deny_is_named(explain: Explain) -> None:
    deny = "ALL: 198.51.100.0/255.255.255.0\nrpcbind: 192.0.2.\n"

    assert explain("192.0.2.9", "DUMP", deny=deny) == (
        1,
        "denied: deny line 2: rpcbind: 192.0.2.\n",
    )
    assert explain("192.0.3.9", "DUMP", deny=deny)[0] == 0


def test_rules_about_the_called_address_are_asked(explain: Explain) -> None:
    deny = "rpcbind@192.0.2.1: ALL\n"

    assert explain("10.9.0.1", "SET", "1", "--to", "192.0.2.1", deny=deny)[0] == 1
    assert explain("10.9.0.1", "SET", "1", "--to", "192.0.2.2", deny=deny)[0] == 0


def test_hosts_that_are_not_asked_do_not_decide(explain: Explain) -> None:
    found = explain("192.0.2.9", "DUMP", policy="[hosts]\nenabled = false\n", deny="ALL: ALL\n")

    assert found == (0, "allowed: no rule of /portmap.toml fits\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("10.0.0.7 GETPORT", "rule[0] depends on the program; name one"),
        ("10.0.0.5 DUMP 100005", "DUMP has no program among its arguments; leave it out"),
        ("local DUMP", "'local' names no user; write local:UID"),
        ("local:root DUMP", "'local:root' names no user; write local:UID"),
        ("local:5 DUMP --netid udp", "over udp callers have an address, and no uid"),
        ("::1 DUMP --netid udp", "::1 does not call over udp"),
        ("nfs.example DUMP", "'nfs.example' is not an IPv4 or IPv6 address, or local:UID"),
        ("uid:5 SET", "'uid:5' is not an IPv4 or IPv6 address, or local:UID"),
        ("10.0.0.1 SET 1 --to here", "'here' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_invalid_question_is_a_usage_error(explain: Explain, words: str, line: str) -> None:
    assert explain(*words.split()) == (2, f"portmap explain: {line}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("10.0.0.5 MNT", "argument PROCEDURE: 'MNT' is not a procedure; write one of"),
        ("10.0.0.5 GETPORT mount5d", "argument PROGRAM: 'mount5d' is not a program"),
        ("10.0.0.5 DUMP --netid sctp", "argument --netid: 'sctp' is not a transport of this host"),
        ("", "the following arguments are required: SOURCE, PROCEDURE"),
    ],
)
def test_invalid_words_are_usage_errors(
    explain: Explain, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        explain(*words.split())

    assert raised.value.code == 2
    assert capsys.readouterr().err.startswith(f"portmap explain: {said}")


def test_bad_file_has_status_2(explain: Explain) -> None:
    assert explain("10.0.0.5", "DUMP", policy="rate = 5\n") == (
        2,
        "portmap explain: /portmap.toml: rate: has to be a table, not a whole number\n",
    )


@pytest.mark.usefixtures("explain")
def test_without_a_file_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert portmap.main(["explain", "local:5", "DUMP"]) == 0
    assert capsys.readouterr().out.startswith("allowed: no rule of ")


def test_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert portmap.main(["exlpain", "10.0.0.5"]) == 2
    assert capsys.readouterr().err == (
        f"portmap: unknown command 'exlpain': must be one of {', '.join(words.WORDS)}\n"
    )


@pytest.mark.parametrize("word", words.WORDS)
def test_every_word_has_a_module_with_a_main(word: str) -> None:
    assert callable(import_module(words.WORDS[word]).main)


def asked_in(page: Path) -> list[tuple[str, str]]:
    """The questions of a how-to, and what it says is answered."""
    return re.findall(r"^\$ portmap explain (.*)\n(.*)$", page.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("words", "answer"), asked_in(HOWTO))
def test_how_to_shows_the_actual_output(explain: Explain, words: str, answer: str) -> None:
    about_hosts = "hosts.deny" in answer
    policy = re.findall(r"```toml\n(.*?)```", HOWTO.read_text(), re.DOTALL)[0]
    expected = answer.replace("/etc", "").replace("hosts.deny", "deny")

    found = explain(
        *words.split(),
        policy="" if about_hosts else policy,
        deny=answer.partition("line 1: ")[2] + "\n" if about_hosts else "",
    )

    assert found == (0 if answer.startswith("allowed") else 1, expected + "\n")


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", HOWTO.read_text(), re.DOTALL))
def test_every_policy_of_the_how_to_makes_sense(explain: Explain, block: str) -> None:
    assert explain("10.1.2.3", "NULL", policy=block)[0] == 0


def test_every_option_is_on_the_page() -> None:
    options = re.findall(r"--[a-z]+", parser().format_help())

    section = PAGE.read_text().partition("## EXPLAIN")[2].partition("\n## ")[0]
    assert {option for option in options if option not in section.replace("\\--", "--")} == set()
