"""The tests themselves: names of tests, a test file for every module, unique names of classes."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import oncrpc

ROOT = Path(oncrpc.__file__).parent
TESTS = Path(__file__).parent
MAX_WORDS = 8

GENERATED = {"programs", "rpc/prot.py"}
NOT_MIRRORED = {"__init__.py", "__main__.py"}

COVERED_BY = {
    "snoop/streams/sinks.py": "snoop/streams/test_quick.py",
    "snoop/words/declarations.py": "snoop/words/test_declared.py",
    "snoop/live/interface.py": "interop/test_live_capture.py",
    "snoop/live/plain.py": "interop/test_live_capture.py",
    "snoop/live/ring.py": "interop/test_live_capture.py",
    "cli/portmap/trace.py": "cli/rpcsnoop/test_daemon_trace.py",
    "cli/nfs/exports.py": "cli/nfs/test_ls.py",
    "cli/nfs/chmod.py": "cli/nfs/test_changes.py",
    "cli/nfs/ln.py": "cli/nfs/test_changes.py",
    "cli/nfs/matching.py": "cli/nfs/test_find.py",
    "cli/nfs/mkdir.py": "cli/nfs/test_changes.py",
    "cli/nfs/mv.py": "cli/nfs/test_changes.py",
    "cli/nfs/touch.py": "cli/nfs/test_changes.py",
    "cli/nfs/objects.py": "cli/nfs/test_ls.py",
    "cli/nfs/session.py": "cli/nfs/test_ls.py",
    "cli/nfs/words.py": "cli/nfs/test_command.py",
    "cli/nfsd/trace.py": "cli/rpcsnoop/test_daemon_trace.py",
    "cli/rpcsnoop/usual_figures.py": "cli/rpcsnoop/test_usual.py",
    "cli/rpcsnoop/usual_lines.py": "cli/rpcsnoop/test_usual.py",
    "cli/rpcsnoop/shown.py": "cli/rpcsnoop/test_trace.py",
    "cli/rpcsnoop/source.py": "cli/rpcsnoop/test_trace.py",
    "rpc/quick.py": "aio/test_quick_replies.py",
    "nfs/fast/encoding.py": "nfs/fast/test_names.py",
    "nfs/backends/fuse/changes.py": "nfs/backends/fuse/test_paths.py",
    "nfs/backends/fuse/filesystem.py": "nfs/backends/fuse/test_paths.py",
    "nfs/backends/fuse/reading.py": "nfs/backends/fuse/test_paths.py",
    "nfs/backends/fuse/tree.py": "nfs/backends/fuse/test_paths.py",
    "nfs/backends/fuse/inode_tree.py": "nfs/backends/fuse/test_inodes.py",
    "nfs/backends/fuse/path_tree.py": "nfs/backends/fuse/test_paths.py",
    "nfs/backends/fsspec/reading.py": "nfs/backends/fsspec/test_filesystem.py",
    "nfs/backends/fsspec/store.py": "nfs/backends/fsspec/test_filesystem.py",
    "nfs/backends/overlay/reading.py": "nfs/backends/overlay/test_filesystem.py",
    "nfs/backends/archive/members.py": "nfs/backends/archive/test_filesystem.py",
    "nfs/backends/archive/tar_members.py": "nfs/backends/archive/test_filesystem.py",
    "nfs/backends/archive/zip_members.py": "nfs/backends/archive/test_filesystem.py",
    "nfs/fast/methods.py": "nfs/fast/test_calls.py",
    "nfs/client/aio_pipeline.py": "nfs/client/test_pipeline.py",
    "nfs/client/blocking_pipeline.py": "nfs/client/test_pipeline.py",
    "nfs/client/copy_places.py": "nfs/client/test_copying.py",
    "nfs/client/copy_report.py": "nfs/client/test_copying.py",
    "nfs/client/copy_tree.py": "nfs/client/test_copying.py",
    "nfs/client/connect.py": "nfs/client/test_mounting.py",
    "nfs/client/open_handle.py": "nfs/client/test_file.py",
    "nfs/client/operations.py": "nfs/client/test_filesystem.py",
    "nfs/client/path_operations.py": "nfs/client/test_filesystem.py",
    "nfs/client/results.py": "nfs/client/test_filesystem.py",
    "nfs/client/version2.py": "nfs/client/test_filesystem.py",
    "nfs/client/version3.py": "nfs/client/test_filesystem.py",
    "nfs/client/wire2.py": "nfs/client/test_filesystem.py",
    "nfs/client/wire3.py": "nfs/client/test_filesystem.py",
    "nfs/fusemount/open_files.py": "nfs/fusemount/test_tree.py",
    "nfs/fusemount/process.py": "nfs/fusemount/test_tree.py",
    "nfs/daemon/worker_part.py": "nfs/daemon/test_worker.py",
    "nfs/daemon/worker_reports.py": "nfs/daemon/test_worker.py",
    "nfs/daemon/worker_settings.py": "nfs/daemon/test_worker.py",
    "nfs/daemon/part.py": "nfs/daemon/test_parts.py",
    "nfs/daemon/lock_report.py": "nfs/daemon/test_lock_part.py",
    "nfs/daemon/lock_metrics.py": "nfs/daemon/test_lock_part.py",
    "nfs/locks/peers.py": "nfs/locks/test_manager.py",
    "nfs/daemon/lock_status.py": "nfs/daemon/test_status_part.py",
    "cli/nfs/ping_links.py": "cli/nfs/test_ping_layers.py",
    "cli/nfsd/lock_lines.py": "cli/nfsd/test_status.py",
    "daemon/live_events.py": "portmap/test_web_events.py",
    "daemon/web/pages.py": "portmap/test_web_content.py",
    "idl/threads.py": "idl/test_compile.py",
    "access/line_limit.py": "access/test_call_lines.py",
    "access/rule_values.py": "daemon/config/test_read.py",
    "aio/epoll.py": "aio/test_stream_socket.py",
    "aio/guard.py": "aio/test_udp.py",
    "aio/limits.py": "aio/test_stream_connections.py",
    "aio/serve.py": "aio/test_server_registration.py",
    "aio/signals.py": "aio/test_server.py",
    "cli/daemon_command.py": "cli/portmap/test_command.py",
    "cli/daemon_options.py": "cli/portmap/test_command.py",
    "cli/daemons/kind.py": "cli/daemons/test_control_client.py",
    "cli/daemons/text.py": "cli/portmap/test_status.py",
    "cli/mapper_options.py": "cli/test_pmap_dump.py",
    "cli/nfsd/export_files.py": "cli/nfsd/test_exports.py",
    "cli/nfsd/kind.py": "cli/nfsd/test_status.py",
    "cli/nfsd/options.py": "cli/nfsd/test_command.py",
    "cli/nfsd/own_mapper.py": "nfs/daemon/test_app.py",
    "cli/nfsd/reload.py": "cli/nfsd/test_config.py",
    "cli/nfsd/words.py": "cli/nfsd/test_command.py",
    "cli/portmap/config.py": "cli/daemons/test_config.py",
    "cli/portmap/daemon.py": "cli/portmap/test_command.py",
    "cli/portmap/kind.py": "cli/daemons/test_control_client.py",
    "cli/portmap/options.py": "cli/portmap/test_command.py",
    "cli/portmap/reload.py": "cli/daemons/test_reload.py",
    "cli/daemons/top_lines.py": "cli/portmap/test_top_layout.py",
    "cli/portmap/service.py": "cli/daemons/test_service.py",
    "cli/portmap/top.py": "cli/daemons/test_top.py",
    "cli/rpcinfo/ping.py": "cli/rpcinfo/test_forms.py",
    "cli/rpcsnoop/deep_output.py": "cli/rpcsnoop/test_trace.py",
    "cli/rpcsnoop/figure_output.py": "cli/rpcsnoop/test_trace.py",
    "cli/rpcsnoop/line_output.py": "cli/rpcsnoop/test_trace.py",
    "cli/rpcsnoop/object_output.py": "cli/rpcsnoop/test_trace.py",
    "cli/rpcsnoop/output.py": "cli/rpcsnoop/test_trace.py",
    "cli/rpcsnoop/words.py": "cli/rpcsnoop/test_command.py",
    "cli/subcommands.py": "cli/portmap/test_command.py",
    "daemon/app.py": "daemon/test_signals.py",
    "daemon/common_content.py": "daemon/test_echo_daemon.py",
    "daemon/common_status.py": "portmap/test_report.py",
    "daemon/config/tables.py": "daemon/config/test_read.py",
    "daemon/control/protocol.py": "daemon/control/test_server.py",
    "daemon/control/status.py": "cli/daemons/test_control_client.py",
    "daemon/install/product.py": "daemon/install/test_files.py",
    "daemon/runtime.py": "daemon/test_signals.py",
    "daemon/state/folders.py": "daemon/state/test_directory.py",
    "idl/comments.py": "idl/test_emit.py",
    "idl/conditions.py": "idl/test_preprocess.py",
    "idl/cpp.py": "idl/test_preprocess.py",
    "idl/layout.py": "idl/test_emit.py",
    "idl/library.py": "idl/test_scope.py",
    "idl/lists.py": "idl/test_emit.py",
    "idl/model.py": "idl/test_generated.py",
    "idl/nesting.py": "idl/test_bounds.py",
    "idl/order.py": "idl/test_names.py",
    "idl/passthrough.py": "idl/test_preprocess.py",
    "idl/resolve.py": "idl/test_names.py",
    "idl/source.py": "idl/test_preprocess.py",
    "idl/text.py": "idl/test_emit.py",
    "idl/tree.py": "idl/test_parse.py",
    "idl/values.py": "idl/test_emit.py",
    "idl/words.py": "idl/test_special_names.py",
    "nfs/backends/local/table_places.py": "nfs/backends/local/test_table.py",
    "nfs/backends/memory/renaming.py": "nfs/backends/memory/test_filesystem.py",
    "nfs/server/acl_wire.py": "nfs/server/test_nfsacl.py",
    "nfs/server/entries.py": "nfs/server/test_nfs3_changes.py",
    "nfs/daemon/config_values.py": "nfs/daemon/test_config.py",
    "nfs/daemon/mapper.py": "nfs/daemon/test_app.py",
    "nfs/daemon/product.py": "cli/nfsd/test_service.py",
    "nfs/daemon/report.py": "nfs/daemon/test_app.py",
    "nfs/daemon/status.py": "nfs/daemon/test_app.py",
    "nfs/daemon/vocabulary.py": "nfs/daemon/test_config.py",
    "portmap/app.py": "portmap/test_daemon.py",
    "portmap/config.py": "portmap/test_daemon_policy.py",
    "portmap/product.py": "cli/daemons/test_service.py",
    "portmap/status.py": "portmap/test_report.py",
    "portmap/store.py": "daemon/state/test_records.py",
    "portmap/vocabulary.py": "access/test_rules.py",
    "rpc/blocking.py": "sync/test_link.py",
    "snoop/capture/frames.py": "snoop/capture/test_files.py",
    "snoop/words/bodies.py": "snoop/words/test_line.py",
    "snoop/explain/channels.py": "snoop/explain/test_follower.py",
    "snoop/explain/causes.py": "snoop/explain/test_verdicts.py",
    "snoop/explain/network_causes.py": "snoop/explain/test_verdicts.py",
    "snoop/explain/program_causes.py": "snoop/explain/test_verdicts.py",
    "snoop/explain/steps.py": "snoop/explain/test_follower.py",
    "snoop/words/file_shapes.py": "snoop/words/test_file_names.py",
    "snoop/words/gss.py": "snoop/words/test_line.py",
    "snoop/words/header.py": "snoop/words/test_line.py",
    "snoop/words/names.py": "snoop/words/test_mapper.py",
    "snoop/words/nfs4_arguments.py": "snoop/words/test_nfs4.py",
    "snoop/words/nfs4_results.py": "snoop/words/test_nfs4.py",
    "snoop/words/nfs4_values.py": "snoop/words/test_nfs4.py",
    "snoop/words/parts.py": "snoop/words/test_tree.py",
    "snoop/words/statuses.py": "snoop/words/test_mount.py",
    "sync/rpcbind.py": "test_rpcbind.py",
    "version.py": "test_main.py",
}
"""Modules without a test file at the mirrored path, and the test file that covers each."""

RUNS = {"daemon/test_echo_daemon.py": "daemon/echo_daemon.py"}
"""Programs of ``tests`` that a test file runs in a process of its own."""

MIRRORED = {"ReconnectingLink"}
"""Classes that stand in ``aio`` and in ``sync`` under one name, the same to a caller."""

NOT_PRIVATE = {"_replace", "_exit", "_value2member_map_", "_actions", "_t", "_x"}
"""Attributes of the standard library, and names that an interface in a test declares."""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


TEST_FILES = sorted(TESTS.rglob("*.py"))


def modules() -> list[str]:
    """The modules that people wrote, by their paths in the package."""
    found = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.rglob("*.py"))]
    return [
        name
        for name in found
        if name not in GENERATED
        and name.split("/")[0] not in GENERATED
        and name.split("/")[-1] not in NOT_MIRRORED
    ]


def mirror_of(module: str) -> str:
    """The path of a module's own test file: ``rpc/test_record.py`` for ``rpc/record.py``."""
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}" if folder else f"test_{name}"


@cache
def imports_of(path: Path) -> set[str]:
    """The paths in the package of what a file imports, by itself or through ``tests/support``."""
    names = set[str]()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {name.removeprefix("oncrpc.").replace(".", "/") for name in names}
    candidates = {f"{path}{end}" for path in paths for end in (".py", "/__init__.py")}
    helpers = {TESTS / name for name in candidates if name.startswith("support/")}
    helpers |= {TESTS / name for test, name in RUNS.items() if TESTS / test == path}
    through = (imports_of(helper) for helper in helpers if helper.is_file() and helper != path)
    candidates |= loaded_by_name(path)
    return {name for name in candidates if (ROOT / name).is_file()}.union(*through)


def loaded_by_name(path: Path) -> set[str]:
    """Modules beside a module that it loads when they are needed: their names are in its tables."""
    if not path.is_relative_to(ROOT):
        return set()
    folder = path.parent.relative_to(ROOT).as_posix()
    texts = (node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant))
    names = {text.partition(".")[0] for text in texts if isinstance(text, str)}
    return {f"{folder}/{name}.py" for name in names if name.isidentifier()}


def reached_from(test: Path, folder: str) -> set[str]:
    """The modules of a folder that a test covers.

    That is what it imports, what those modules import, and from there any number of steps within
    the folder.
    """
    reached = set[str]()
    direct = imports_of(test)
    waiting = direct.union(*(imports_of(ROOT / name) for name in direct))
    while waiting:
        name = waiting.pop()
        if name.rpartition("/")[0] == folder and name not in reached:
            reached.add(name)
            waiting |= imports_of(ROOT / name)
    return reached


def names_in(path: Path) -> list[str]:
    """The names of the tests in a file."""
    return [
        node.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    ]


def words_of(name: str) -> int:
    return len(re.findall("[^_]+", name)) - 1


@pytest.mark.parametrize(("name", "count"), [("test_a", 1), ("test_a_reply_is_late", 4)])
def test_words_are_counted_without_the_prefix(name: str, count: int) -> None:
    assert words_of(name) == count


def test_test_names_have_at_most_eight_words() -> None:
    names = [name for path in TEST_FILES for name in names_in(path)]

    assert len(names) > 1000
    assert [name for name in names if words_of(name) > MAX_WORDS] == []


@pytest.mark.parametrize("module", modules())
def test_module_has_a_test_file(module: str) -> None:
    mirrored = (TESTS / mirror_of(module)).is_file()

    assert mirrored or module in COVERED_BY


@pytest.mark.parametrize(("module", "test"), COVERED_BY.items())
def test_named_test_file_reaches_the_module(module: str, test: str) -> None:
    assert not (TESTS / mirror_of(module)).exists(), "it has its own test file now"
    assert module in reached_from(TESTS / test, module.rpartition("/")[0])


def test_class_names_are_unique() -> None:
    homes = Counter(
        node.name
        for module in modules()
        for node in tree_of(ROOT / module).body
        if isinstance(node, ast.ClassDef)
    )

    assert {name for name, count in homes.items() if count > 1} == MIRRORED


def private_reads(path: Path) -> Iterator[str]:
    """Private attributes that a test reads, of anything but ``self``."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Attribute) or not re.match("_[^_]", node.attr):
            continue
        own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        if not own and node.attr not in NOT_PRIVATE:
            yield f"{path.relative_to(TESTS).as_posix()}: {node.attr}"


def test_no_test_reads_private_attributes() -> None:
    assert {read for path in TEST_FILES for read in private_reads(path)} == set()


def test_support_index_lists_every_module() -> None:
    index = ast.get_docstring(tree_of(TESTS / "support" / "__init__.py")) or ""
    modules = [path.stem for path in (TESTS / "support").glob("*.py") if path.stem != "__init__"]

    assert sorted(re.findall(r"^- ``(\w+)``: \w", index, re.MULTILINE)) == sorted(modules)
