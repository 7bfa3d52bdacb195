"""How this process began: by hand, with sockets from a service manager, or as the next image."""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence

from msgspec import Struct

from oncrpc.daemon.activation import Passed, passed_by_manager
from oncrpc.daemon.handover import CHECK, VARIABLE, Handover, received
from oncrpc.daemon.reexec import Image, of_this_process


class Origin(Struct, frozen=True):
    """``former`` is what an image before this one has left; ``passed`` the sockets that are open.

    With ``checking`` the process is only to say whether it could begin.
    """

    image: Image
    passed: Sequence[Passed] = ()
    former: Handover | None = None
    checking: bool = False


def begun(environ: MutableMapping[str, str] = os.environ) -> Origin:
    """What the environment says, which it says once: before the process detaches itself.

    Raises:
        StartError: what a former image has left cannot be read.
    """
    if environ.get(VARIABLE) == CHECK:
        return Origin(of_this_process(), checking=True)
    former = received(environ)
    if former is not None:
        return Origin(of_this_process(former.folder), former.sockets, former)
    return Origin(of_this_process(), passed_by_manager(environ))
