"""The commands of the README, tutorials and troubleshooting page print the shown output."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.idl import compile_text
from support.ganesha import start_ganesha
from support.hosts import Host, portmap
from support.namespace import PYTHON, need
from support.page_console import Block, Console, blocks_of, commands_of

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TUTORIALS = [DOCS / "tutorial" / f"{name}.md" for name in ("first-port-mapper", "your-own-program")]
STORIES = {"readme": [ROOT / "README.md"], "tutorials": TUTORIALS}
"""Pages that an ordinary user can follow, one after the other."""

PMAP_GETPORT = """
import ctypes, socket, struct
library = ctypes.CDLL("libtirpc.so.3")
address = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("127.0.0.1"))
library.pmap_getport(address, ctypes.c_ulong(100003), ctypes.c_ulong(3), socket.IPPROTO_TCP)
library.clnt_pcreateerror(b"mount")
"""

MOUNTS = DOCS / "tutorial" / "why-does-my-mount-fail.md"
TROUBLE = DOCS / "howto" / "troubleshooting.md"
SHELL = DOCS / "howto" / "use-nfs-from-the-shell.md"
FILES_OF_SHELL_PAGE = """
cd /srv/nfs
rm -r folder hello.txt
mkdir logs
echo 'remember the backup' > notes.txt
printf '%s\\n' error fine error > logs/monday.log
touch logs/tuesday.log
"""


@pytest.mark.slow
@pytest.mark.parametrize("pages", STORIES.values(), ids=list(STORIES))
def test_page_examples_print_the_shown_output(pages: list[Path], tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")

    with Console(tmp_path) as console:
        for page in pages:
            console.play(page)


@pytest.mark.slow
def test_failed_mounts_are_explained_as_shown(tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")

    with Console(tmp_path) as console:
        console.play(MOUNTS)


@pytest.mark.slow
@pytest.mark.interop
def test_symptoms_have_the_causes_shown(tmp_path: Path) -> None:
    with Host() as host, Console(tmp_path, host.entered) as console:
        console.play(TROUBLE)


@pytest.mark.slow
@pytest.mark.interop
def test_shell_commands_print_ganesha_s_files(tmp_path: Path) -> None:
    need("ganesha.nfsd")
    with Host() as host, Console(tmp_path, host.entered) as console:
        host.start(portmap())
        start_ganesha(host, tmp_path)
        host.sh(FILES_OF_SHELL_PAGE)

        console.play(SHELL)


@pytest.mark.slow
@pytest.mark.interop
def test_port_mapper_failure_is_the_c_librarys_text() -> None:
    with Host() as host:
        failed = host.run([PYTHON, "-c", PMAP_GETPORT])

    assert failed.stderr.endswith("(Connection refused)\n")
    assert failed.stderr in TROUBLE.read_text()


def test_tutorial_shows_the_compiler_s_output() -> None:
    blocks = {block.language: block.text for block in reversed(list(blocks_of(TUTORIALS[1])))}

    assert compile_text(blocks["x"], "hello.x").endswith("\n" + blocks["python"])


def test_page_that_shows_something_else_fails(tmp_path: Path) -> None:
    with Console(tmp_path) as console, pytest.raises(AssertionError, match="two"):
        console.run("echo one", "two\n")


def test_console_blocks_split_into_commands_and_output() -> None:
    text = "$ one \\\n  more\nprinted\n$ two\n"

    assert list(commands_of(text)) == [("one \\\n  more", "printed\n"), ("two", "")]


def test_block_is_the_file_named_above() -> None:
    assert Block("python", "", "The service, `server.py`, beside it:\n\n").file == "server.py"
    assert Block("python", "", "It runs `server.py` twice.\n\n").file == ""


def test_every_page_that_is_played_has_commands() -> None:
    for page in (ROOT / "README.md", *TUTORIALS, TROUBLE, MOUNTS):
        assert any(block.language == "console" for block in blocks_of(page))
