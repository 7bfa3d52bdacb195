"""What the policy file changes in a daemon, at the start and when it is read again."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from oncrpc.daemon.config.read import PolicyError
from oncrpc.daemon.config.values import LIVENESS_INTERVAL, Config
from oncrpc.portmap.daemon import Daemon
from oncrpc.portmap.ownership import Rules
from support.callers import REMOTE
from support.listeners import LOCALHOST, listening
from support.loops import run as run_loop

POLICY = """
trusted = ["192.0.2.0/24"]
[registration]
local-only = true
foreign-versions = false
per-owner = 10
total = 500
[rate]
replies = 5
burst = 50
[liveness]
interval = 30
watch = true
[[rule]]
from = ["192.0.2.9"]
then = "deny"
"""


def with_policy(
    text: str, tmp_path: Path, then: Callable[[Daemon, Path], None], **options: object
) -> None:
    """Make a daemon by a policy file, and see what it is."""
    path = tmp_path / "portmap.toml"
    path.write_text(text)
    path.chmod(0o644)
    config = Config(port=0, local=False, hosts=(LOCALHOST, "::1"), policy=str(path))
    config = replace(config, **options)

    async def scenario() -> None:
        with listening(config) as listeners:
            made = Daemon(config, listeners)
            try:
                then(made, path)
            finally:
                made.server.listeners.clear()
                if made.libwrap is not None:
                    made.libwrap.close()

    run_loop(scenario())


def test_each_part_goes_to_who_obeys_it(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert made.sources.trusted == (ip_network("192.0.2.0/24"),)
        assert (made.sources.replies, made.sources.burst) == (5, 50)
        assert (made.registry.owner_limit, made.registry.limit) == (10, 500)
        assert made.mapper.rules == Rules(local_only=True, foreign_versions=False)
        assert (made.liveness.interval, made.liveness.watching) == (30, True)
        assert not made.admission.open_to(REMOTE)
        assert made.mapper.admission is made.admission

    with_policy(POLICY, tmp_path, look)


def test_an_option_says_more_than_the_file(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert (made.liveness.interval, made.liveness.watching) == (0, True)

    text = "[liveness]\ninterval = 30\n"
    with_policy(text, tmp_path, look, liveness_interval=0.0, watch=True)


def test_where_neither_says_anything_the_default_holds(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert (made.liveness.interval, made.liveness.watching) == (LIVENESS_INTERVAL, False)
        assert made.mapper.rules == Rules()
        assert made.sources.trusted == ()

    with_policy("", tmp_path, look)


def test_policy_denies_further_remote_calls(tmp_path: Path) -> None:
    def look(made: Daemon, path: Path) -> None:
        rules = made.mapper.remote_calls
        assert not rules.allow(100002, 2)
        assert not rules.allow(400001, 1)
        assert not rules.allow(100003, 1)
        assert rules.allow(400002, 1)

        path.write_text("")
        made.reread()

        assert made.mapper.remote_calls.allow(400001, 1)

    with_policy("[remote-calls]\ndeny = ['rusersd', 400001]\n", tmp_path, look)


def test_without_rules_and_hosts_no_call_is_judged(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert made.mapper.admission is None

    with_policy("[hosts]\nenabled = false\n", tmp_path, look)


def test_reading_it_again_changes_everything_and_forgets_decisions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def look(made: Daemon, path: Path) -> None:
        before = made.admission.generation
        path.write_text("[registration]\ntotal = 600\n")

        assert made.reread() == ""

        assert made.registry.limit == 600
        assert made.sources.trusted == ()
        assert made.admission.open_to(REMOTE)
        assert made.admission.generation > before

    caplog.set_level("INFO", "oncrpc.portmap.policy")
    with_policy(POLICY, tmp_path, look)
    assert caplog.messages == ["policy read again; rules: 0"]


def test_what_only_holds_at_the_start_is_said_when_it_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def look(made: Daemon, path: Path) -> None:
        path.write_text("[daemon]\nport = 2222\ninsecure = true\n[web]\nlisten = '[::1]:0'\n")

        assert made.reread() == ""
        assert made.reread() == ""

    with_policy("[daemon]\nport = 1111\n", tmp_path, look)
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == [
        "web.listen holds when the daemon is started again",
        "daemon.port is only read when the daemon is started",
        "daemon.insecure is only read when the daemon is started",
    ]


def test_a_bad_file_keeps_what_was_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def look(made: Daemon, path: Path) -> None:
        path.write_text("user = 'root'\n")

        fault = made.reread()

        assert fault.startswith(f"{path}: user: there is no such key")
        assert caplog.messages == [f"{fault}; what was read before stays in force"]
        assert made.registry.limit == 500
        assert not made.admission.open_to(REMOTE)

    with_policy(POLICY, tmp_path, look)


def test_a_bad_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="rate: has to be a table"):
        with_policy("rate = 1", tmp_path, lambda *_: None)
