"""``nfsd`` exports what is not a directory: stores of fsspec, overlays, FUSE objects."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from oncrpc.daemon.config.values import StartError
from oncrpc.nfs.daemon.backends import BackendSite, OpenedRoot, open_backend
from oncrpc.nfs.daemon.local_roots import LocalRoots, RootOptions
from oncrpc.nfs.exports.backend_choice import FSSPEC, FUSE, OVERLAY, BackendChoice
from oncrpc.programs.nfs3 import (
    GETATTR3args,
    READ3args,
    READ3resok,
    WRITE3args,
    nfs_fh3,
    nfsstat3,
    stable_how,
)
from support.loops import run
from support.nfs_daemons import RW, RunningNfsd, nfsd_setup, serving_nfsd

OK = nfsstat3.NFS3_OK
LOCAL_CLIENT = f"127.0.0.1({RW})"


def zip_of(path: Path, text: str) -> Path:
    """An archive with a file ``hello``."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello", text)
    return path


def toml(folder: Path, *lines: str) -> str:
    """A configuration with one export, of ``/made``, with these lines."""
    path = folder / "nfsd.toml"
    path.write_text("\n".join(["[[export]]", 'path = "/made"', f'clients = ["*({RW})"]', *lines]))
    return str(path)


async def write(daemon: RunningNfsd, file: bytes, data: bytes) -> None:
    """Write and store."""
    nfs = await daemon.nfs()
    arg = WRITE3args(nfs_fh3(file), 0, len(data), stable_how.FILE_SYNC, data)
    assert (await nfs.NFSPROC3_WRITE(arg)).status is OK


async def read(daemon: RunningNfsd, file: bytes) -> bytes:
    """The data of a file."""
    found = await (await daemon.nfs()).NFSPROC3_READ(READ3args(nfs_fh3(file), 0, 100))
    assert isinstance(found.body, READ3resok), found
    return found.body.data


def test_store_is_exported(tmp_path: Path, state: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store/hello").write_text("hello")
    file = toml(tmp_path, 'backend = "fsspec"', f'url = "file://{tmp_path}/store"')

    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, file=file)) as daemon:
            found = await daemon.file(Path("/made/hello"))
            assert await read(daemon, found) == b"hello"
            await write(daemon, found, b"HELLO")
            assert (tmp_path / "store/hello").read_text() == "HELLO"
            assert daemon.app.exported.ids_of(b"/made") == "fsspec"
        async with serving_nfsd(nfsd_setup(state, file=file)) as daemon:
            assert await read(daemon, found) == b"HELLO"

    run(scenario())


def test_store_of_the_command_line_has_its_path(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    setup = nfsd_setup(
        None, directories=[f"file://{tmp_path}/store"], backend=FSSPEC, to=[LOCAL_CLIENT]
    )

    async def scenario() -> None:
        async with serving_nfsd(setup) as daemon:
            assert await daemon.mount(tmp_path / "store")

    run(scenario())


def test_overlay_keeps_changes_of_an_archive(tmp_path: Path, state: Path) -> None:
    path = zip_of(tmp_path / "a.zip", "hello")
    before = path.read_bytes()
    setup = nfsd_setup(
        state, directories=[str(path)], overlay=str(tmp_path / "upper"), to=[LOCAL_CLIENT]
    )

    async def scenario() -> None:
        async with serving_nfsd(setup) as daemon:
            file = await daemon.file(path / "hello")
            await write(daemon, file, b"HELLO")
            assert (tmp_path / "upper/files/hello").read_bytes() == b"HELLO"
            assert daemon.app.exported.ids_of(bytes(path)) == "overlay"
        async with serving_nfsd(setup) as daemon:
            assert await read(daemon, file) == b"HELLO"

    run(scenario())
    assert path.read_bytes() == before


def test_missing_parent_of_an_overlay_is_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", "hello")
    setup = nfsd_setup(None, directories=[str(path)], overlay=f"{tmp_path}/no/upper")

    async def scenario() -> None:
        async with serving_nfsd(setup):
            pytest.fail("it starts")

    reason = f"cannot create the directory {tmp_path}/no/upper: no such file"
    with pytest.raises(StartError, match=reason):
        run(scenario())


def test_replaced_lower_archive_is_seen_after_a_reload(tmp_path: Path, state: Path) -> None:
    path = zip_of(tmp_path / "a.zip", "old")
    upper = tmp_path / "upper"
    file = toml(tmp_path, 'backend = "overlay"', f'lower = "{path}"', f'upper = "{upper}"')

    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, file=file)) as daemon:
            found = await daemon.file(Path("/made/hello"))
            zip_of(tmp_path / "new", "newer").rename(path)
            daemon.reread()
            assert await read(daemon, await daemon.file(Path("/made/hello"))) == b"newer"
            arg = GETATTR3args(nfs_fh3(found))
            assert (await (await daemon.nfs()).NFSPROC3_GETATTR(arg)).status is OK

    run(scenario())


def test_overlay_has_one_server(tmp_path: Path, state: Path) -> None:
    path = zip_of(tmp_path / "a.zip", "hello")
    file = toml(tmp_path, 'backend = "overlay"', f'lower = "{path}"', f'upper = "{tmp_path}/upper"')

    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, file=file)) as daemon:
            await daemon.mount("/made")
            async with serving_nfsd(nfsd_setup(None, file=file)) as other:
                (fault,) = other.app.faults()
                assert "another server may use it" in fault

    run(scenario())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nosuchstore://x", "the store cannot be opened: Protocol not known: nosuchstore"),
        ("oci://bucket", "pip install 'oncrpc\\[fsspec\\]'"),
        ("http+x://", "the store cannot be opened"),
    ],
)
def test_store_that_cannot_be_opened_is_one_line(url: str, reason: str) -> None:
    choice = BackendChoice(name=FSSPEC, url=url)
    site = BackendSite(None, _unused, _unused)

    with pytest.raises(OSError, match=reason) as raised:
        open_backend(b"/made", choice, site).serve(1)
    assert "\n" not in str(raised.value)


NOTES = """
import stat

class Notes:
    use_ns = True

    def __init__(self, text="hello"):
        self.text = text.encode()

    def getattr(self, path, fh=None):
        kind = stat.S_IFDIR | 0o755 if path == "/" else stat.S_IFREG | 0o644
        return {"st_mode": kind, "st_size": len(self.text)}

    def readdir(self, path, fh):
        return ["note"]

    def read(self, path, size, offset, fh):
        return self.text[offset : offset + size]

class Broken(Notes):
    def __init__(self):
        raise LookupError("no notes")
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A file with classes of FUSE file systems."""
    path = tmp_path / "notes_of_a_test.py"
    path.write_text(NOTES)
    return path


def test_fuse_object_is_exported(tmp_path: Path, state: Path, notes: Path) -> None:
    keys = ('backend = "fuse"', f'operations = "{notes}:Notes"', 'arguments = { text = "noted" }')
    file = toml(tmp_path, *keys)

    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, file=file)) as daemon:
            assert await read(daemon, await daemon.file(Path("/made/note"))) == b"noted"
            assert daemon.app.exported.ids_of(b"/made") == "fuse"

    run(scenario())


def test_class_of_the_command_line_has_its_path(notes: Path) -> None:
    operand = f"{notes}:Notes"
    setup = nfsd_setup(None, directories=[operand], backend=FUSE, to=[LOCAL_CLIENT])

    async def scenario() -> None:
        setup.app().check(setup.source.read().config)
        async with serving_nfsd(setup) as daemon:
            found = await daemon.file(Path("/notes_of_a_test/note"))
            assert await read(daemon, found) == b"hello"

    run(scenario())


def test_missing_class_ends_the_start(notes: Path) -> None:
    setup = nfsd_setup(None, directories=[f"{notes}:Missing"], backend=FUSE)

    async def scenario() -> None:
        async with serving_nfsd(setup):
            pytest.fail("it starts")

    with pytest.raises(StartError, match=r"^cannot export /notes_of_a_test: .* 'Missing'$"):
        run(scenario())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Missing", "has no class or function 'Missing'"),
        ("Broken", "Broken cannot be started: no notes"),
    ],
)
def test_fuse_object_that_fails_is_one_line(notes: Path, name: str, reason: str) -> None:
    choice = BackendChoice(name=FUSE, operations=f"{notes}:{name}")
    site = BackendSite(None, _unused, _unused)

    with pytest.raises(OSError, match=reason) as raised:
        open_backend(b"/made", choice, site).serve(1)
    assert "\n" not in str(raised.value)


def _unused(path: bytes) -> OpenedRoot:
    raise AssertionError(path)


@pytest.mark.parametrize("name", [FSSPEC, OVERLAY, FUSE])
def test_workers_cannot_share_a_back_end(name: str) -> None:
    choice = BackendChoice(name=name, url="memory://", upper="/upper")

    with pytest.raises(OSError, match="set workers = 1"):
        LocalRoots(None, processes=2)(b"/made", RootOptions(backend=choice))


def test_damaged_archive_as_operand_ends_the_start(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", "hello")
    path.write_bytes(path.read_bytes()[:60])
    setup = nfsd_setup(None, directories=[str(path)])

    async def scenario() -> None:
        async with serving_nfsd(setup):
            pytest.fail("it starts")

    with pytest.raises(StartError, match=f"cannot export {path}: the zip archive is damaged"):
        run(scenario())
