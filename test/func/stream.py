# SPDX-License-Identifier: BSD-3-Clause
"""Stream sockets: what a client of any protocol does with one, and one that an
enemy makes."""
import contextlib
import socket
import struct

PATIENCE = 10.0


class Stream:
    """One connection; `sock` may come from another process (see peer.py)."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(PATIENCE)
        self.buffer = b""

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def receive(self):
        return self.sock.recv(65536)

    def fill(self):
        """Adds what comes next to the buffer; False when the daemon closed."""
        try:
            data = self.receive()
        except (ConnectionResetError, BrokenPipeError):
            return False
        self.buffer += data
        return bool(data)


def lingering():
    """A TCP socket whose last closer waits for a minute, and its other end."""
    listener = socket.create_server(("127.0.0.1", 0))
    sender = socket.create_connection(listener.getsockname())
    receiver, _ = listener.accept()
    listener.close()
    sender.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sender.send(bytes(65536))
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    return sender, receiver
