"""The metrics of the port mapper, as Prometheus and promtool read them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oncrpc.addr import split_uaddr
from oncrpc.aio.link import dial
from oncrpc.errors import AuthError
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb, rpcb_rmtcallargs
from support.daemons import LOCALHOST, Daemon
from support.loops import run
from support.web_serving import fetch, showing

Metrics = dict[tuple[str, tuple[tuple[str, str], ...]], float]
Play = Callable[[Daemon], Awaitable[None]]


def read(text: str) -> Metrics:
    """The values by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: Metrics, name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


async def nothing(_made: Daemon) -> None:
    """No play."""


def scraped(tmp_path: Path, play: Play = nothing, **options: object) -> str:
    """The metrics of a daemon once a play is over."""

    async def scenario() -> str:
        async with showing(tmp_path, **options) as made:
            await play(made)
            reply = await fetch(made, "/metrics")
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return reply.body.decode()

    return run(scenario())


def port_of(made: Daemon) -> int:
    return split_uaddr(made.server.addresses["udp"])[1]


def calls(found: Metrics, version: str, procedure: str, outcome: str) -> float | None:
    return of(found, "portmap_calls_total", version=version, procedure=procedure, outcome=outcome)


async def some_calls(made: Daemon) -> None:
    link = await dial("udp", LOCALHOST, port_of(made))
    for _ in range(5):
        await PMAP_VERS.Client(link).PMAPPROC_GETPORT(mapping(100003, 3, 6, 0))
    client = RPCBVERS4.Client(link)
    assert await client.RPCBPROC_SET(rpcb(400001, 1, b"udp", b"0.0.0.0.8.1", b""))
    assert await client.RPCBPROC_UNSET(rpcb(400001, 1, b"udp", b"", b""))
    with pytest.raises(AuthError):
        await client.RPCBPROC_INDIRECT(rpcb_rmtcallargs(100005, 1, 1, b""))
    link.close()


def test_calls_include_those_from_the_reply_cache(tmp_path: Path) -> None:
    found = read(scraped(tmp_path, some_calls))

    assert calls(found, "2", "GETPORT", "success") == 5
    assert calls(found, "4", "SET", "success") == 1
    assert calls(found, "4", "INDIRECT", "success") == 0
    assert calls(found, "4", "INDIRECT", "auth_error") == 1
    assert of(found, "portmap_sets_total", version="4") == 1
    assert of(found, "portmap_unsets_total", version="4") == 1
    assert of(found, "portmap_refusals_total", cause="indirect") == 1
    assert of(found, "portmap_store_appends_total") == 2


def test_durations_exclude_the_reply_cache(tmp_path: Path) -> None:
    found = read(scraped(tmp_path, some_calls))

    # One of the five GETPORTs, and three others.
    assert of(found, "portmap_call_duration_seconds_count") == 4
    assert of(found, "portmap_call_duration_seconds_bucket", le="+Inf") == 4
    assert (of(found, "portmap_call_duration_seconds_sum") or 0) > 0


def test_registrations_are_by_netid_in_lower_case(tmp_path: Path) -> None:
    async def play(made: Daemon) -> None:
        assert made.app.registry.set(rpcb(400001, 1, b"TCP", b"0.0.0.0.8.1", b"1000"))

    found = read(scraped(tmp_path, play))

    netids = {
        dict(labels)["netid"]: value
        for (name, labels), value in found.items()
        if name == "portmap_registrations"
    }
    assert netids == {"udp": 3, "tcp": 4, "udp6": 2, "tcp6": 2, "local": 2}


def test_reloads_are_counted(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("")
    policy.chmod(0o600)

    async def play(made: Daemon) -> None:
        made.reread()
        policy.write_text("[")
        made.reread()
        made.reread()

    found = read(scraped(tmp_path, play, file=str(policy)))

    assert of(found, "portmap_reloads_total", outcome="success") == 1
    assert of(found, "portmap_reloads_total", outcome="failure") == 2


def test_process_and_build_are_included(tmp_path: Path) -> None:
    found = read(scraped(tmp_path))

    assert (of(found, "process_start_time_seconds") or 0) > 1e9
    assert [value for (name, _), value in found.items() if name == "portmap_build_info"] == [1]
    assert of(found, "portmap_connections", netid="tcp") == 0
    assert {dict(labels)["cause"] for (name, labels) in found if name == "portmap_drops_total"} >= {
        "rate", "busy", "malformed", "overlong",
    }  # fmt: skip


def test_without_state_there_are_no_store_metrics(tmp_path: Path) -> None:
    text = scraped(tmp_path, state_dir=None, state=False)

    assert "portmap_store" not in text


@pytest.mark.slow
def test_promtool_accepts_the_metrics(tmp_path: Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("not installed: promtool (package prometheus)")

    done = subprocess.run(
        [tool, "check", "metrics"], input=scraped(tmp_path, some_calls), text=True,
        capture_output=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
