"""Starts Python programs by fork from a process that has imported the service.

A program that starts this way needs milliseconds of processor time; a new interpreter that imports the service needs
almost a second. The process of the tests cannot fork itself: it has threads.

`python -m tests.support.fork_server FD`: FD is a Unix socket. `tests.support.python_process` is at its other end.
"""

import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
from typing import Final

import consumer.cli.main  # noqa: F401  # so that the programs need not import it

LENGTH: Final = struct.Struct("!I")  # sent with the descriptor of the program's output; then as many bytes of JSON


def main() -> None:
    """Serve requests until the socket is closed; in each forked process, run the requested program to its end."""
    module, arguments = _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _serve(control: socket.socket) -> tuple[str, list[str]]:
    """Fork for each request. Returns only in the forked processes: the module to run, and its arguments."""
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _report_ended(control)
        if control in ready:
            header, outputs, _, _ = socket.recv_fds(control, LENGTH.size, 1)
            if not header:
                sys.exit()
            request = json.loads(_receive(control, LENGTH.unpack(header)[0]))
            if not (pid := os.fork()):
                _become(request["environment"], outputs[0])
                for each in (control, woken, wake):
                    each.close()
                return request["module"], request["arguments"]
            os.close(outputs[0])
            _send(control, started=pid)


def _become(environment: dict[str, str], output: int) -> None:
    """Take the environment and the output of the program, and the signal handlers of a new interpreter."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)


def _report_ended(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _send(control, ended=pid, exit_code=os.waitstatus_to_exitcode(status))


def _receive(control: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        if not (part := control.recv(length - len(data))):
            sys.exit()  # the tests were killed while they sent the request
        data += part
    return data


def _send(control: socket.socket, **message: int) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
