"""A simulated instrument that answers ``*IDN?`` over VXI-11, as VISA libraries ask it.

``python examples/vxi11_instrument.py`` serves it; with python-vxi11 installed, this asks it:
``python -c "import vxi11; print(vxi11.Instrument('127.0.0.1').ask('*IDN?'))"``
"""

import asyncio

from oncrpc import Limits, serve
from oncrpc.programs import vxi11
from oncrpc.rpc import Call

ANSWERS = {b"*IDN?": b"Example,Simulated instrument,0,1.0\n", b"*OPT?": b"0\n"}
INVALID_LINK, IO_TIMEOUT = 4, 15  # errors
MESSAGE_ENDS, TERMCHAR_SET = 8, 128  # flags
REQCNT, CHR, END = 1, 2, 4  # why a read has ended


class Instrument(vxi11.DEVICE_CORE_VERSION.Service):
    """Every link has the message that it is writing and the answer that it is reading."""

    def __init__(self) -> None:
        self.links: dict[int, list[bytes]] = {}

    def create_link(self, call: Call, arg: vxi11.Create_LinkParms) -> vxi11.Create_LinkResp:
        self.links[lid := max(self.links, default=0) + 1] = [b"", b""]
        return vxi11.Create_LinkResp(error=0, lid=lid, abortPort=0, maxRecvSize=65536)

    def destroy_link(self, call: Call, lid: int) -> vxi11.Device_Error:
        return vxi11.Device_Error(0 if self.links.pop(lid, None) else INVALID_LINK)

    def device_write(self, call: Call, arg: vxi11.Device_WriteParms) -> vxi11.Device_WriteResp:
        if not (link := self.links.get(arg.lid)):
            return vxi11.Device_WriteResp(INVALID_LINK, 0)
        link[0] += arg.data
        if arg.flags & MESSAGE_ENDS:
            link[:] = b"", ANSWERS.get(link[0].strip().upper(), b"")
        return vxi11.Device_WriteResp(0, len(arg.data))

    async def device_read(self, call: Call, arg: vxi11.Device_ReadParms) -> vxi11.Device_ReadResp:
        if not (link := self.links.get(arg.lid)):
            return vxi11.Device_ReadResp(INVALID_LINK, 0, b"")
        if not link[1] and arg.requestSize:
            await asyncio.sleep(arg.io_timeout / 1000)
            return vxi11.Device_ReadResp(IO_TIMEOUT, 0, b"")
        ends = link[1].find(arg.termChar & 0xFF) + 1 if arg.flags & TERMCHAR_SET else 0
        size = min(arg.requestSize, ends or len(link[1]))
        data, link[1] = link[1][:size], link[1][size:]
        why = {REQCNT: size == arg.requestSize, CHR: 0 < size == ends, END: size and not link[1]}
        return vxi11.Device_ReadResp(0, sum(reason for reason in why if why[reason]), data)


async def main() -> None:
    limits = Limits(idle_time=None)  # a link may be silent for hours
    async with serve(Instrument(), transports=["tcp"], register=True, limits=limits) as server:
        await server.wait()


asyncio.run(main())
