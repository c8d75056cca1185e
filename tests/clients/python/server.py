"""The server under test as a process: on a free loopback port, in an empty directory, ended by
its process id. `REDSTART_BIN` names its program; `REDSTART_BIN=redis-server` tests the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, *args, binary=None, port=None):
        self.port = port or free_port()
        self.directory = tempfile.mkdtemp(prefix="redstart-clients-")
        binary = binary or os.environ.get("REDSTART_BIN", "")
        if not binary:
            raise RuntimeError("REDSTART_BIN must name the server's program")
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", *args]
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_for_pong()
        except BaseException:
            self.stop()
            raise

    def _wait_for_pong(self):
        for _ in range(1000):
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                    link.sendall(b"PING\r\n")
                    if link.recv(7) in (b"+PONG\r\n", b"-NOAUTH"):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        with open(os.path.join(self.directory, "log"), errors="replace") as log:
            raise RuntimeError(f"{self.process.args} does not answer PING:\n{log.read()[-2000:]}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
