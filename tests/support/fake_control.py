"""A fake daemon: a control socket that sends the replies that the test sets."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from oncrpc.daemon.control.protocol import NAME, answer_line
from oncrpc.daemon.control.status import CommonStatus


def reply(status: CommonStatus) -> bytes:
    """The reply line with a status."""
    return answer_line(status)


class FakeControl:
    """Answers connections with these lines in turn, the last one for ever; ``asked`` are theirs."""

    def __init__(self, folder: Path, *answers: bytes) -> None:
        self.answers, self.asked = list(answers), list[bytes]()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(folder / NAME))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self.sock.listen()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.sock.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # a client may stop reading
                self.asked.append(connection.recv(4096))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                connection.sendall(answer)
