"""Options of rules: what they make a rule decide, and what is told about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.access.hosts.options import verdict_of


def told(options: str) -> tuple[bool | None, list[str]]:
    warnings: list[str] = []
    return verdict_of(options, warnings.append), warnings


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ("", None),
        ("allow\n", True),
        (" DENY \n", False),
        ("severity info: allow\n", True),
        ("severity mail.warning\n", None),
        ("severity = local7.debug\n", None),
    ],
)
def test_valid_options_give_no_warning(options: str, verdict: bool | None) -> None:
    assert told(options) == (verdict, [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("\n", "missing option after a colon"),
        ("allow:\n", "allow must be the last one"),
        ("allow: deny\n", "allow must be the last one"),
        ("allow yes\n", "allow takes no value"),
        ("severity\n", "severity needs a value"),
        ("severity loud\n", "bad value 'loud'"),
        ("severity mail.\n", "bad value"),
        ("nice x\n", "bad value"),
        ("umask 9\n", "bad value"),
        ("umask 7777\n", "bad value"),
        ("linger -1\n", "bad value"),
        ("rfc931 0\n", "bad value"),
        ("/bin/mail root\n", "write a shell command as: spawn COMMAND"),
        ("spawn\n", "spawn needs a value"),
    ],
)
def test_a_mistake_denies(options: str, said: str) -> None:
    verdict, warnings = told(options)

    assert verdict is False
    assert said in warnings[0]
    assert warnings[0].endswith("; the rule denies")


@pytest.mark.parametrize("option", ["twist /bin/echo no", "aclexec checkdnsbl %a"])
def test_a_command_that_would_decide_denies(option: str) -> None:
    verdict, warnings = told(f"{option}\n")

    assert verdict is False
    assert "is not run" in warnings[0]


def test_spawn_command_is_not_run() -> None:
    verdict, warnings = told("spawn (mail root) & : allow\n")

    assert verdict is True
    assert "the command of spawn is not run" in warnings[0]


@pytest.mark.parametrize(
    "option",
    [
        *("user nobody", "group kmem", "umask 022", "linger 5", "keepalive", "rfc931", "rfc931 5"),
        *("setenv NAME value", "nice", "nice 5", "banners /etc/banners"),
    ],
)
def test_options_for_own_processes_are_ignored(option: str) -> None:
    verdict, warnings = told(f"{option}\n")

    assert verdict is None
    assert f"option {option.split()[0]} is ignored here" in warnings[0]


def test_a_backslash_protects_a_colon() -> None:
    assert told("spawn echo a\\:b: deny\n")[0] is False
    assert told("severity\\: info\n")[0] is False


@given(st.text())
def test_any_text_decides_something(options: str) -> None:
    assert told(options)[0] in (True, False, None)
