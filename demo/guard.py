"""Become another program that dies with its parent: `guard.py PARENT_PID PROGRAM ARGUMENT...`.

The kernel sends SIGKILL to this process when the thread that started it ends, whatever ended it, and goes on doing so
after the exec. It is asked for here, in a fresh interpreter, because Python code between fork and exec may deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("guard: this system cannot tie a process to its parent")
    if os.getppid() != int(parent):  # it ended before it could be tied to
        sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 - argv as given, no shell
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
