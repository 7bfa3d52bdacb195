"""The kernel judges callers by their identity, and the server always takes back its own."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.nfs.backends.local.identity import EX_SOFTWARE, Identities, identities
from oncrpc.nfs.backends.local.syscalls import NOBODY_AT_ALL, capget, setfsgid, setfsuid
from oncrpc.nfs.filesystem import Identity

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to take identities")

ANN = Identity(1000, 1001, (7, 8))
NUMBERS = st.integers(0, 0xFFFFFFFE)

PRELUDE = """
import logging, os, sys
logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
from oncrpc.nfs.backends.local.identity import Identities
from oncrpc.nfs.backends.local.syscalls import capget, capset
from oncrpc.nfs.filesystem import Identity
ANN = Identity(1000, 1001, (7, 8))
CAP_SETGID, CAP_SETUID, CAP_DAC_READ_SEARCH = 1 << 6, 1 << 7, 1 << 2

def drop(bits):
    now = capget()
    capset(now._replace(effective=now.effective & ~bits, permitted=now.permitted & ~bits))
"""


def run(script: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    command = [*before, sys.executable, "-c", PRELUDE + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def mine() -> tuple[int, int, list[int]]:
    """The identity of this thread for the file system."""
    return setfsuid(NOBODY_AT_ALL), setfsgid(NOBODY_AT_ALL), os.getgroups()


def test_block_has_the_identity_of_the_caller() -> None:
    before = mine()

    with identities().of(ANN):
        within = mine()

    assert within == (1000, 1001, [7, 8])
    assert mine() == before


@settings(max_examples=50)
@given(NUMBERS, NUMBERS, st.lists(NUMBERS, max_size=40))
def test_any_identity_is_taken_and_given_back(uid: int, gid: int, groups: list[int]) -> None:
    before = mine()

    with identities().of(Identity(uid, gid, tuple(groups))):
        within = mine()

    assert within == (uid, gid, sorted(groups))
    assert mine() == before


def test_error_in_the_block_gives_identity_back() -> None:
    before = mine()

    with pytest.raises(FileNotFoundError), identities().of(ANN):
        os.stat("/nowhere")

    assert mine() == before


def test_other_threads_keep_the_servers_identity() -> None:
    seen: list[object] = []

    def look() -> None:
        assert begin.wait(10)
        seen.append(mine())
        entered.set()

    entered, begin = threading.Event(), threading.Event()
    thread = threading.Thread(target=look)
    thread.start()
    before = mine()
    with identities().of(ANN):
        begin.set()
        assert entered.wait(10)
    thread.join()

    assert seen == [before]


def test_kernel_judges_by_the_identity(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret = os.open(tmp_path / "secret", os.O_CREAT | os.O_RDWR, 0o640)
    os.fchown(secret, 0, 8)

    def may_open(who: Identity) -> bool:
        with identities().of(who):
            try:
                os.close(os.open(f"/proc/self/fd/{secret}", os.O_RDONLY))
            except PermissionError:
                return False
            return True

    assert may_open(ANN)
    assert not may_open(ANN._replace(groups=(7,)))
    assert may_open(Identity(0, 0))
    os.close(secret)


def test_too_many_groups_are_refused() -> None:
    before = mine()

    with (
        pytest.raises(PermissionError) as caught,
        identities().of(Identity(1000, 1001, tuple(range(70_000)))),
    ):
        pass

    assert caught.value.errno == errno.EACCES
    assert mine() == before


def test_own_identity_costs_nothing() -> None:
    own = Identities()

    with own.of(own.own._replace(host="192.0.2.1")):
        assert mine()[0] == os.geteuid()


def test_acting_user_is_the_caller() -> None:
    assert identities().acting(ANN) == 1000


@pytest.mark.slow
def test_thread_that_cannot_go_back_ends_the_process() -> None:
    ended = run("""
with Identities().of(ANN):
    drop(CAP_SETGID)
print("still here")
""")

    assert (ended.returncode, ended.stdout) == (EX_SOFTWARE, "")
    assert ended.stderr.startswith("CRITICAL cannot take back the server's identity: ")


@pytest.mark.slow
def test_thread_asks_as_the_user_itself() -> None:
    before = mine()

    with identities().asking(1000, (7,)):
        within = os.geteuid(), os.getgroups(), capget().effective

    assert within == (1000, [7], 0)
    assert (os.geteuid(), *mine()) == (0, *before)


def test_other_threads_stay_themselves_meanwhile() -> None:
    asking, seen = threading.Event(), threading.Event()

    def ask() -> None:
        with identities().asking(1000, (7,)):
            asking.set()
            seen.wait(10)

    thread = threading.Thread(target=ask)
    thread.start()
    asking.wait(10)
    meanwhile = os.geteuid(), os.getgroups()
    seen.set()
    thread.join()

    assert meanwhile == (0, list(identities().own.groups))


def test_thread_that_cannot_ask_again_ends_the_process() -> None:
    ended = run("""
with Identities().asking(1000):
    os.setresuid(1000, 1000, 1000)
print("never")
""")

    assert ended.returncode == EX_SOFTWARE
    assert "cannot take back" in ended.stderr
    assert not ended.stdout


def test_thread_begun_as_a_caller_ends_the_process() -> None:
    ended = run("""
import threading
own = Identities()
with own.of(ANN):
    thread = threading.Thread(target=own.check)
    thread.start()
    thread.join()
print("still here")
""")

    assert (ended.returncode, ended.stdout) == (EX_SOFTWARE, "")


@pytest.mark.slow
def test_without_privilege_all_work_as_the_server() -> None:
    ended = run(
        """
own = Identities()
with own.of(ANN):
    print(own.switches, own.acting(ANN), os.geteuid())
""",
        *("setpriv", "--reuid", "1234", "--regid", "1235", "--clear-groups"),
    )

    assert ended.stdout == "False 1234 1234\n"
    assert ended.stderr == "INFO all callers work as uid 1234: only root can work as another\n"


@pytest.mark.slow
def test_nobody_cannot_switch_to_nobody() -> None:
    """The default user of callers is no evidence where the server is that user itself."""
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "65534")
    ended = run("print(Identities().switches)", *nobody)

    assert ended.stdout == "False\n"


@pytest.mark.slow
def test_user_namespace_of_one_user_has_no_others() -> None:
    ended = run("print(Identities().switches)", "unshare", "--user", "--map-root-user")

    assert ended.stdout == "False\n"


@pytest.mark.slow
def test_root_that_cannot_switch_lowers_capabilities(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    os.chown(secret, 4321, 4321)

    ended = run(f"""
drop(CAP_SETUID | CAP_SETGID)
own, before = Identities(), capget()
with own.of(ANN):
    print(os.access({str(secret)!r}, os.R_OK, effective_ids=True))
print(os.access({str(secret)!r}, os.R_OK, effective_ids=True), capget() == before)
""")

    assert ended.stdout == "False\nTrue True\n"


@pytest.mark.slow
def test_capable_user_lowers_capabilities_for_callers(tmp_path: Path) -> None:
    """A server that is not root keeps its capabilities when it changes its user."""
    tmp_path.chmod(0o755)
    secret = tmp_path / "secret"
    secret.touch(0o600)
    script = f"""
own, before = Identities(), capget()
with own.of(ANN):
    print(own.switches, os.access({str(secret)!r}, os.R_OK, effective_ids=True))
print(os.access({str(secret)!r}, os.R_OK, effective_ids=True), capget() == before)
"""
    kept = "+setuid,+setgid,+dac_read_search"
    user = ("--reuid", "1234", "--regid", "1235", "--clear-groups")

    ended = run(script, "setpriv", *user, "--inh-caps", kept, "--ambient-caps", kept)

    assert ended.stdout == "True False\nTrue True\n"


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["+dac_read_search", "+setuid,+setgid,+dac_override"])
def test_callers_like_the_server_lack_its_capabilities(tmp_path: Path, kept: str) -> None:
    """A client chooses its numbers, and squashed callers may have those of the server."""
    tmp_path.chmod(0o755)
    secret = tmp_path / "secret"
    secret.touch(0o600)

    ended = run(
        f"""
own, before = Identities(), capget()
with own.of(Identity(1234, 1235)):
    print(os.access({str(secret)!r}, os.R_OK, effective_ids=True))
print(os.access({str(secret)!r}, os.R_OK, effective_ids=True), capget() == before)
""",
        *("setpriv", "--reuid", "1234", "--regid", "1235", "--clear-groups"),
        *("--inh-caps", kept, "--ambient-caps", kept),
    )

    assert ended.stdout == "False\nTrue True\n"


@pytest.mark.slow
def test_callers_lack_capabilities_whatever_the_securebits(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret = tmp_path / "secret"
    secret.touch(0o600)

    ended = run(
        f"""
own, before = Identities(), capget()
for _ in range(2):
    with own.of(ANN):
        print(own.switches, os.access({str(secret)!r}, os.R_OK, effective_ids=True))
print(os.access({str(secret)!r}, os.R_OK, effective_ids=True), capget() == before)
""",
        *("setpriv", "--securebits", "+no_setuid_fixup"),
    )

    assert ended.stdout == "True False\nTrue False\nTrue True\n"
