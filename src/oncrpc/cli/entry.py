"""The entry points of the console scripts.

Loading a command takes longer than most of its work, so Ctrl-C is likely to arrive then. Until the
command can handle it, SIGINT ends the process at once, without a traceback, as it ends a program
that is not written in Python. Hence almost nothing is imported here, and ``_signal`` instead of
``signal``, which imports ``enum`` and would double the time.

Loaded modules stay until the end. They are frozen for the garbage collector, which would otherwise
visit them again and again.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows it as signal
import gc


def portmap() -> int:
    """``portmap``, with the command that its arguments name."""
    return _run("oncrpc.cli.portmap", "oncrpc.cli.subcommands")


def nfsd() -> int:
    """``nfsd``, with the command that its arguments name."""
    return _run("oncrpc.cli.nfsd", "oncrpc.cli.nfsd.words")


def nfs() -> int:
    """``nfs``, with the command that its arguments name."""
    return _run("oncrpc.cli.nfs", "oncrpc.cli.nfs.words")


def rpcinfo() -> int:
    """``rpcinfo``."""
    return _run("oncrpc.cli.rpcinfo")


def pmap_dump() -> int:
    """``pmap_dump``."""
    return _run("oncrpc.cli.pmap_dump")


def pmap_set() -> int:
    """``pmap_set``."""
    return _run("oncrpc.cli.pmap_set")


def showmount() -> int:
    """``showmount``."""
    return _run("oncrpc.cli.showmount")


def rpcsnoop() -> int:
    """``rpcsnoop``, with the command that its arguments name."""
    return _run("oncrpc.cli.rpcsnoop", "oncrpc.cli.rpcsnoop.words")


def xdrc() -> int:
    """``xdrc``."""
    return _run("oncrpc.cli.xdrc")


def _load_what_is_asked_for(words: str) -> None:
    """Load the module that the first word names, by a module of words."""
    import sys
    from importlib import import_module

    module = import_module(words).module_of(sys.argv[1:])
    if module is not None:
        import_module(module)


def _run(module: str, words: str = "") -> int:
    """Load the module, and the one that the first word names, and run its ``main``.

    Returns the exit status.
    """
    handler = _signal.getsignal(_signal.SIGINT)
    if handler is _signal.default_int_handler:  # else it is ignored, as in a background job
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from importlib import import_module

    gc.disable()
    main = import_module(module).main
    if words:
        _load_what_is_asked_for(words)
    gc.freeze()
    gc.enable()
    try:
        _signal.signal(_signal.SIGINT, handler)
        status: int = main()
    except KeyboardInterrupt:
        from oncrpc.cli.command import INTERRUPTED

        return INTERRUPTED
    return status
