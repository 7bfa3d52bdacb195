"""Where the console scripts begin.

Loading a command takes longer than most of its work, and so is when Ctrl-C is likely to come.
Until the command is there to answer it, it ends the process as it would end one that is not
Python's: at once, and without a traceback. Hence next to nothing is imported here, and of signal
only the built-in module beneath it: enum, which the rest needs, would double the time before.

What is loaded stays until the end. The garbage collector, which would look for what can go again
and again meanwhile, is told to leave it alone.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows it as signal
import gc

TYPE_CHECKING = False  # that of typing, which takes longer to load than all of this
if TYPE_CHECKING:
    from collections.abc import Callable


def portmap() -> int:
    """``portmap``: what its arguments ask for is loaded with it."""
    return _run("oncrpc.cli.portmap", _load_what_is_asked_for)


def rpcinfo() -> int:
    """``rpcinfo``."""
    return _run("oncrpc.cli.rpcinfo")


def pmap_dump() -> int:
    """``pmap_dump``."""
    return _run("oncrpc.cli.pmap_dump")


def pmap_set() -> int:
    """``pmap_set``."""
    return _run("oncrpc.cli.pmap_set")


def xdrc() -> int:
    """``xdrc``."""
    return _run("oncrpc.cli.xdrc")


def _load_what_is_asked_for() -> None:
    import sys
    from importlib import import_module

    from oncrpc.cli.portmap.subcommands import module_of

    module = module_of(sys.argv[1:])
    if module is not None:
        import_module(module)


def _run(module: str, load_more: Callable[[], None] = lambda: None) -> int:
    """Load the module and run its ``main``; returns the exit status."""
    handler = _signal.getsignal(_signal.SIGINT)
    if handler is _signal.default_int_handler:  # else it is ignored, as in a job of the background
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from importlib import import_module

    gc.disable()
    main = import_module(module).main
    load_more()
    gc.freeze()
    gc.enable()
    try:
        _signal.signal(_signal.SIGINT, handler)
        status: int = main()
    except KeyboardInterrupt:
        from oncrpc.cli.command import INTERRUPTED

        return INTERRUPTED
    return status
