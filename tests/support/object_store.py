"""An S3 server on a host, by moto, and an export of ``nfsd`` that shows a bucket of it.

    with NfsHost("", config=S3_EXPORT) as host:
        store = ObjectStore(host)
        store.start()
        store.put("hello.txt", b"hello")
        host.run(["nfs-ls", f"nfs://127.0.0.1{S3_PATH}"])

The server keeps its objects in memory: after ``stop`` they are gone.
"""

from __future__ import annotations

import http.client
import importlib.util
import subprocess
from contextlib import closing

from support.hosts import Host, until
from support.namespace import PYTHON, end, need

PORT = 5000
BUCKET = "bucket"
S3_PATH = "/objects"
S3_EXPORT = f"""
[[export]]
path = "{S3_PATH}"
backend = "fsspec"
url = "s3://{BUCKET}"
clients = {{ "*" = "rw,insecure,no_root_squash" }}

[export.storage]
key = "key"
secret = "secret"
endpoint_url = "http://127.0.0.1:{PORT}"
config_kwargs = {{ connect_timeout = 2, read_timeout = 5, retries = {{ max_attempts = 0 }} }}
"""
"""An ``[[export]]`` for nfsd.toml: the bucket at the path ``S3_PATH``."""

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host, Signature=0"
}
"""The headers of a request by the owner of the objects; moto checks no signature."""


class ObjectStore:
    """The server on ``host``, with one bucket."""

    def __init__(self, host: Host) -> None:
        need(*(name for name in ("moto", "s3fs") if importlib.util.find_spec(name) is None))
        self.host = host
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and make the bucket."""
        command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(PORT)]
        self.process = self.host.popen(command)
        until(lambda: self.host.serves("tcp", "127.0.0.1", PORT), "the object store answers")
        assert self.request("PUT", "")[0] == 200

    def stop(self) -> None:
        """End it as ``kill -9`` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        end(self.process)

    def put(self, key: str, data: bytes) -> None:
        """Store an object."""
        assert self.request("PUT", f"/{key}", data)[0] == 200

    def get(self, key: str) -> bytes | None:
        """The data of an object; None if it does not exist."""
        status, data = self.request("GET", f"/{key}")
        assert status in (200, 404), (status, data)
        return data if status == 200 else None

    def request(self, method: str, path: str, data: bytes = b"") -> tuple[int, bytes]:
        """Send a request for a path in the bucket."""
        with self.host.network(), closing(http.client.HTTPConnection("127.0.0.1", PORT)) as link:
            link.connect()
            link.request(method, f"/{BUCKET}{path}", data, SIGNED)
            answer = link.getresponse()
            return answer.status, answer.read()
