"""All errors of a policy file, one line each."""

from __future__ import annotations

import pytest

from oncrpc.daemon.config.explain_errors import faults
from oncrpc.portmap.config import SCHEMA

PATH = "/etc/portmap.toml"


def test_a_policy_has_no_faults() -> None:
    assert faults(SCHEMA, '[daemon]\nport = 1\n[[rule]]\nthen = "deny"\n', PATH) == []


def test_every_wrong_key_and_rule_has_its_line() -> None:
    text = """
    trusted = 5
    [daemon]
    port = 65536
    local = 1
    [rate]
    burst = 0
    [[rule]]
    then = "deny"
    [[rule]]
    then = "drop"
    uid = [-1]
    [[rule]]
    uid = [0]
    """

    assert faults(SCHEMA, text, PATH) == [
        f"{PATH}: trusted: has to be a list in brackets, not a whole number",
        f"{PATH}: daemon.port: may be at most 65535",
        f"{PATH}: daemon.local: has to be true or false, not a whole number",
        f"{PATH}: rate.burst: has to be at least 1",
        f'{PATH}: rule[1].then: is \'drop\'; write "allow", "deny" or "silent"',
        f"{PATH}: rule[1].uid[0]: has to be at least 0",
        f"{PATH}: rule[2]: has no 'then'",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = ", "Invalid value (at end of document)"),
        ("rule = [5]", "rule[0]: has to be a table, not a whole number"),
        ("rule = 5", "rule: begins with [[rule]], in two brackets"),
        ("[nothing]", "nothing: unknown key; the keys are trusted, daemon, rate, hosts, web, rule,"
            " registration, remote-calls, liveness"),
        ("[daemon]\nloopback = true\nbind = ['::1']",
         "daemon: bind and loopback = true contradict each other; remove one"),
        ("[[rule]]\nthen = 'deny'\nuid = [0]\nfrom = ['loopback']",
         'rule[0]: only callers over the local socket have a uid, and from has no "local"'),
    ],
)  # fmt: skip
def test_error_in_the_whole_file_is_one_line(text: str, line: str) -> None:
    assert faults(SCHEMA, text, PATH) == [f"{PATH}: {line}"]
