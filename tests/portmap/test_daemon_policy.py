"""The effect of the policy file on a daemon, at the start and after a reload."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from oncrpc.daemon.config.values import ConfigError
from oncrpc.portmap.config import LIVENESS_INTERVAL
from oncrpc.portmap.ownership import Rules
from oncrpc.programs.portmap import PMAP_PROG
from support.callers import REMOTE
from support.daemons import LOCALHOST, Daemon, listening, setup
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
    """Make a daemon with a policy file, and pass it to a check."""
    path = tmp_path / "portmap.toml"
    path.write_text(text)
    path.chmod(0o644)
    defaults: dict[str, Any] = {"port": 0, "local": False, "bind": (LOCALHOST, "::1")}
    config = setup(file=str(path), **(defaults | options))

    async def scenario() -> None:
        with listening(config) as listeners:
            made = config.daemon(listeners)
            try:
                then(made, path)
            finally:
                made.server.listeners.clear()
                if made.libwrap is not None:
                    made.libwrap.close()

    run_loop(scenario())


def test_each_setting_reaches_its_component(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert made.udp_limits.trusted == (ip_network("192.0.2.0/24"),)
        assert (made.udp_limits.replies, made.udp_limits.burst) == (5, 50)
        assert (made.app.registry.owner_limit, made.app.registry.limit) == (10, 500)
        assert made.app.mapper.rules == Rules(local_only=True, foreign_versions=False)
        assert (made.app.liveness.interval, made.app.liveness.watching) == (30, True)
        assert not made.admission.open_to(REMOTE)

    with_policy(POLICY, tmp_path, look)


def test_option_overrides_the_file(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert (made.app.liveness.interval, made.app.liveness.watching) == (0, True)

    text = "[liveness]\ninterval = 30\n"
    with_policy(text, tmp_path, look, interval=0.0, watch=True)


def test_without_option_and_key_the_default_holds(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert (made.app.liveness.interval, made.app.liveness.watching) == (
            LIVENESS_INTERVAL,
            False,
        )
        assert made.app.mapper.rules == Rules()
        assert made.udp_limits.trusted == ()

    with_policy("", tmp_path, look)


def test_policy_denies_further_remote_calls(tmp_path: Path) -> None:
    def look(made: Daemon, path: Path) -> None:
        rules = made.app.mapper.remote_calls
        assert not rules.allow(100002, 2)
        assert not rules.allow(400001, 1)
        assert not rules.allow(100003, 1)
        assert rules.allow(400002, 1)

        path.write_text("")
        made.reread()

        assert made.app.mapper.remote_calls.allow(400001, 1)

    with_policy("[remote-calls]\ndeny = ['rusersd', 400001]\n", tmp_path, look)


def test_without_rules_and_hosts_no_call_is_judged(tmp_path: Path) -> None:
    def look(made: Daemon, _: Path) -> None:
        assert not made.admission.asks

    with_policy("[hosts]\nenabled = false\n", tmp_path, look)


def test_reload_replaces_limits_and_forgets_decisions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def look(made: Daemon, path: Path) -> None:
        before = made.admission.generation
        path.write_text("[registration]\ntotal = 600\n")

        assert made.reread() == ""

        assert made.app.registry.limit == 600
        assert made.udp_limits.trusted == ()
        assert made.admission.open_to(REMOTE)
        assert made.admission.generation > before

    caplog.set_level("INFO", "oncrpc.config")
    with_policy(POLICY, tmp_path, look)
    assert caplog.messages == ["configuration read again; rules: 0"]


def test_reload_names_keys_read_at_start_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def look(made: Daemon, path: Path) -> None:
        path.write_text("[daemon]\nport = 2222\ninsecure = true\n[web]\nlisten = '[::1]:0'\n")

        assert made.reread() == ""
        assert made.reread() == ""

    with_policy("[daemon]\nport = 1111\n", tmp_path, look)
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == 2 * [
        "daemon.insecure changed; it takes effect at the next start",
        "web.listen changed; it takes effect at the next start",
    ]


def test_reload_keeps_the_values_of_the_start(tmp_path: Path) -> None:
    def look(made: Daemon, path: Path) -> None:
        started = made.config.daemon
        path.write_text("[daemon]\ninsecure = true\n[web]\nlisten = '[::1]:0'\n")

        assert made.reread() == ""

        assert made.config.daemon is started
        assert made.config.web.listen is None
        assert not made.app.mapper.remote_calls.allow(PMAP_PROG, 1)

    with_policy("", tmp_path, look)


def test_invalid_file_keeps_the_former_policy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def look(made: Daemon, path: Path) -> None:
        path.write_text("user = 'root'\n")

        fault = made.reread()

        assert fault.startswith(f"{path}: user: unknown key")
        assert caplog.messages == [f"{fault}; keeping the previous configuration"]
        assert made.app.registry.limit == 500
        assert not made.admission.open_to(REMOTE)

    with_policy(POLICY, tmp_path, look)


def test_invalid_file_at_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rate: has to be a table"):
        with_policy("rate = 1", tmp_path, lambda *_: None)
