# SPDX-License-Identifier: BSD-3-Clause
"""A Varlink client: JSON objects that end with a NUL byte. Independent of ours."""
import json
import os
import socket

from stream import Stream

PATH = "/run/reeve/reeve.sock"


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name = name
        self.short = name.rsplit(".", 1)[-1]
        self.parameters = parameters


class Closed(Exception):
    """The daemon hung up."""


class Client(Stream):
    def __init__(self, sock):
        super().__init__(sock)
        self.fds = []  # that came; the caller's after take_fds()

    def close(self):
        for fd in self.take_fds():
            os.close(fd)
        super().close()

    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.sock, 65536, 8)
        self.fds += fds
        return data

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
            if not self.fill():
                raise Closed(self.buffer)
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

    def take_fds(self):
        """Descriptors that came with replies."""
        fds, self.fds = self.fds, []
        return fds

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

    def all(self, method, **which):
        """Rows of all pages of a list."""
        rows = []
        for page in self.pages(method, **which):
            rows += page
        return rows

    def pages(self, method, **which):
        """Rows of each page of ListPorts, ListFlows, ListLeases, ListInstances."""
        name = method.removeprefix("List").lower()
        while True:
            reply = self.call(method, **which)
            yield reply[name]
            if reply.get("next") is None:
                return
            which["after"] = reply["next"]

    def leases(self, **which):
        return self.all("ListLeases", **which)

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
