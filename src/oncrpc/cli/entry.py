"""Where the console scripts begin.

Loading a command takes longer than most of its work, and so is when Ctrl-C is likely to come.
Until the command is there to answer it, it ends the process as it would end one that is not
Python's: at once, and without a traceback. Hence next to nothing is imported here, and of signal
only the built-in module beneath it: enum, which the rest needs, would double the time before.

What is loaded stays until the end. The garbage collector, which would look for what can go again
and again meanwhile, is told to leave it alone.
"""

import _signal  # type: ignore[import-not-found]  # typeshed knows it as signal
import gc


def portmap() -> int:
    """``portmap``."""
    return _run("oncrpc.cli.portmap")


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


def _run(module: str) -> int:
    """Load the module and run its ``main``; returns the exit status."""
    handler = _signal.getsignal(_signal.SIGINT)
    if handler is _signal.default_int_handler:  # else it is ignored, as in a job of the background
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from importlib import import_module

    gc.disable()
    main = import_module(module).main
    gc.freeze()
    gc.enable()
    try:
        _signal.signal(_signal.SIGINT, handler)
        status: int = main()
    except KeyboardInterrupt:
        from oncrpc.cli.command import INTERRUPTED

        return INTERRUPTED
    return status
