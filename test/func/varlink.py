# SPDX-License-Identifier: BSD-3-Clause
"""A Varlink client: JSON objects that end with a NUL byte. Independent of ours."""
import json

PATH = "/run/reeve/reeve.sock"
PATIENCE = 10.0


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name = name
        self.short = name.rsplit(".", 1)[-1]
        self.parameters = parameters


class Closed(Exception):
    """The daemon hung up."""


class Client:
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

    def send_text(self, text):
        if isinstance(text, str):
            text = text.encode()
        self.sock.sendall(text + b"\0")

    def send(self, method, parameters=None, **flags):
        call = {"method": method if "." in method else f"io.reeve.{method}"}
        if parameters is not None:
            call["parameters"] = parameters
        self.send_text(json.dumps({**call, **flags}))

    def read(self):
        """The next message as a dict."""
        while b"\0" not in self.buffer:
            try:
                data = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                data = b""
            if not data:
                raise Closed(self.buffer)
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        assert isinstance(message, dict) and set(message) <= {"error", "parameters", "continues"}
        return message

    def reply(self):
        """The parameters of the next reply; an error reply is raised."""
        message = self.read()
        parameters = message.get("parameters", {})
        if "error" in message:
            raise VarlinkError(message["error"], parameters)
        return parameters

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.reply()

    def refused(self, method, **parameters):
        """The error that a call ends with; a success is an AssertionError."""
        try:
            granted = self.call(method, **parameters)
        except VarlinkError as error:
            return error
        raise AssertionError(f"{method} was not refused: {granted}")

    def acquire(self, count=1, **more):
        """Ids of the leases, and the CPUs as the daemon writes them."""
        if "cpus" not in more:
            more["count"] = count
        got = self.call("Acquire", kind="lcore", **more)
        return [lease["lease"] for lease in got["leases"]], got["cpus"]

    def leases(self, **which):
        return self.call("ListLeases", **which)["leases"]

    def lcores(self, **which):
        """{"lcore 5": lease, ...} of what is leased now."""
        return {lease["resource"]: lease for lease in self.leases(**which)}

    def stream(self, since=0):
        self.send("Events", {"since": since}, more=True)

    def wait_event(self, match):
        """Reads the stream on until an event for which match(event) holds."""
        while True:
            event = self.reply()["event"]
            if match(event):
                return event
