"""The files of a service: only our files are written or removed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from oncrpc.daemon.install.files import (
    RECORD,
    FilesError,
    HostFile,
    hides_homes,
    read_record,
    remove_files,
    rendered,
    write_files,
)
from oncrpc.daemon.install.product import Product
from oncrpc.nfs.daemon.product import PRODUCT as NFSD
from oncrpc.portmap.product import PRODUCT as PORTMAP

PRODUCTS = (PORTMAP, NFSD)
NAMES = [product.name for product in PRODUCTS]
PACKAGING = Path(__file__).parents[3] / "packaging"
FILES = [HostFile("/etc/a/b/one", b"1", 0o644), HostFile("/etc/two", b"2", 0o755)]
PATHS = {file.path for file in FILES}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_files_are_written_with_their_modes(root: Path) -> None:
    write_files(str(root), FILES)

    assert (root / "etc/a/b/one").read_bytes() == b"1"
    assert (root / "etc/two").stat().st_mode & 0o7777 == 0o755
    assert set(read_record(str(root)).files) == {"/etc/a/b/one", "/etc/two"}


def test_uninstall_leaves_the_folder_as_it_was(root: Path) -> None:
    before = everything(root)
    write_files(str(root), FILES)

    removed = remove_files(str(root), PATHS)

    assert removed == (["/etc/a/b/one", "/etc/two"], [])
    assert everything(root) == before


def test_products_are_removed_one_by_one(root: Path) -> None:
    before = everything(root)
    write_files(str(root), FILES)
    write_files(str(root), [HostFile("/etc/a/other", b"3", 0o644)])

    removed = remove_files(str(root), {"/etc/a/other"})

    assert removed == (["/etc/a/other"], [])
    assert set(read_record(str(root)).files) == PATHS
    remove_files(str(root), PATHS)
    assert everything(root) == before


def test_missing_root_folder_is_created(root: Path) -> None:
    before = everything(root)
    write_files(str(root / "new"), FILES)

    assert (root / "new/etc/a/b/one").read_bytes() == b"1"

    remove_files(str(root / "new"), PATHS)
    assert everything(root) == before


@pytest.mark.parametrize("name", ["file", "none/new"])
def test_failure_to_create_root_folder_is_one_line(root: Path, name: str) -> None:
    (root / "file").touch()

    with pytest.raises(FilesError, match=rf"^cannot write {root}/{name}/?.*: [^\n]*$"):
        write_files(str(root / name), FILES)


def test_a_folder_that_somebody_uses_by_now_stays(root: Path) -> None:
    write_files(str(root), FILES)
    (root / "etc/a/other").touch()

    remove_files(str(root), PATHS)

    assert everything(root) == {"etc", "etc/a", "etc/a/other"}


def test_foreign_file_prevents_writing_any_file(root: Path) -> None:
    (root / "etc/two").write_text("theirs")

    with pytest.raises(FilesError, match="etc/two exists, and was not written by"):
        write_files(str(root), FILES)

    assert everything(root) == {"etc", "etc/two"}


def test_a_link_is_somebody_elses(root: Path) -> None:
    (root / "etc/two").symlink_to("/dev/null")

    with pytest.raises(FilesError, match="etc/two exists"):
        write_files(str(root), FILES)


def test_second_install_overwrites_its_own_files(root: Path) -> None:
    write_files(str(root), FILES)

    write_files(str(root), [HostFile("/etc/two", b"3", 0o644)])

    assert (root / "etc/two").read_bytes() == b"3"
    assert remove_files(str(root), PATHS).gone == ["/etc/a/b/one", "/etc/two"]


def test_changed_file_is_not_overwritten(root: Path) -> None:
    write_files(str(root), FILES)
    (root / "etc/two").write_text("edited")

    with pytest.raises(FilesError, match="etc/two exists"):
        write_files(str(root), FILES)


def test_changed_file_is_not_removed(root: Path) -> None:
    write_files(str(root), FILES)
    (root / "etc/two").write_text("edited")

    assert remove_files(str(root), PATHS) == (["/etc/a/b/one"], ["/etc/two"])
    assert (root / "etc/two").read_text() == "edited"


def test_uninstall_ignores_missing_files(root: Path) -> None:
    write_files(str(root), FILES)
    (root / "etc/two").unlink()

    assert remove_files(str(root), PATHS) == (["/etc/a/b/one"], [])


def test_interrupted_install_is_completed_by_the_next(root: Path) -> None:
    write_files(str(root), FILES)
    (root / "etc/two").unlink()
    (root / "etc/two.new").write_text("half")

    write_files(str(root), FILES)

    assert (root / "etc/two").read_bytes() == b"2"


def test_unwritable_path_is_one_line(root: Path) -> None:
    (root / "etc/a").write_text("no folder")

    with pytest.raises(FilesError, match=r"^cannot write .*/etc/a: file exists$"):
        write_files(str(root), FILES)


def test_folder_unwritable_for_root_is_one_line(root: Path) -> None:
    write_files(str(root), [])
    (root / "etc/link").symlink_to("/proc/1")

    with pytest.raises(FilesError, match=r"^cannot write .*/etc/link/here"):
        write_files(str(root), [HostFile("/etc/link/here", b"", 0o644)])


@pytest.mark.parametrize("said", ["", "[]", json.dumps({"files": 1, "folders": []})])
def test_invalid_record_is_one_line(root: Path, said: str) -> None:
    place = root / RECORD[1:]
    place.parent.mkdir(parents=True)
    place.write_text(said)

    with pytest.raises(FilesError, match="is not a record of"):
        remove_files(str(root), PATHS)


def test_unreadable_record_is_one_line(root: Path) -> None:
    place = root / RECORD[1:]
    place.mkdir(parents=True)

    with pytest.raises(FilesError, match=r"^cannot read .*service\.json: is a directory"):
        read_record(str(root))


def test_failure_to_remove_a_file_is_one_line(root: Path) -> None:
    write_files(str(root), FILES)
    (root / "etc/two").unlink()
    (root / "etc/two").mkdir()

    with pytest.raises(FilesError, match=r"^cannot remove .*etc/two"):
        remove_files(str(root), PATHS)


@pytest.mark.parametrize("product", PRODUCTS, ids=NAMES)
@pytest.mark.parametrize("init", PORTMAP.templates)
def test_the_files_name_the_program_that_runs(product: Product, init: str) -> None:
    files = {file.path: file.content.decode() for file in rendered(product, init, "/usr/sbin/it")}

    assert list(files) == [source.path for source in product.templates[init]]
    assert product.program not in "".join(files.values())
    assert "/usr/sbin/it" in next(iter(files.values()))


def test_script_level_is_that_of_the_distribution() -> None:
    (plain,), (debian,) = (
        rendered(PORTMAP, "sysv", PORTMAP.program),
        rendered(PORTMAP, "sysv", PORTMAP.program, boot_level=True),
    )

    assert b"\n# Default-Start:     2 3 4 5\n" in plain.content
    assert b"\n# Default-Start:     S\n" in debian.content
    assert b"\n# Default-Stop:      0 6\n" in debian.content


def test_server_starts_after_network_file_systems() -> None:
    (script,) = rendered(NFSD, "sysv", NFSD.program, boot_level=True)

    assert b"\n# Default-Start:     2 3 4 5\n" in script.content
    assert b"\n# Required-Start:    $network $local_fs $remote_fs\n" in script.content


@pytest.mark.parametrize("product", PRODUCTS, ids=NAMES)
def test_the_folder_for_packages_has_the_same_files(product: Product) -> None:
    for init, sources in product.templates.items():
        for source, kept in zip(sources, rendered(product, init, product.program), strict=True):
            assert (PACKAGING / source.name).read_bytes() == kept.content


def test_both_scripts_do_the_same() -> None:
    """Except for the header, and the registrations that the port mapper takes over from C."""
    ours, other = ((PACKAGING / f"{name}.init").read_text() for name in NAMES)
    taken_over = re.findall(r"^STATE=.*\n|^    # Here the C daemon(?:.*\n){4}", ours, re.M)
    assert len(taken_over) == 2
    for part in taken_over:
        ours = ours.replace(part, "")
    body = [text.partition("### END INIT INFO\n")[2] for text in (ours, other)]

    assert body[0].replace("portmap", "nfsd") == body[1]


def test_only_the_port_mapper_needs_no_homes() -> None:
    """Any directory may be exported."""
    assert [hides_homes(product) for product in PRODUCTS] == [True, False]
