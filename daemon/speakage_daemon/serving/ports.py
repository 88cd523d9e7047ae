"""Who holds a TCP port, in words. It does not open one: see :mod:`.server`."""

from __future__ import annotations

import psutil


def holder(host: str, port: int) -> str:
    """``NAME (pid N)`` of what listens where ``host``:``port`` would, or ``""`` when nobody does.

    Processes of other users are hidden without privileges: then it says that, instead of a name.
    """
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "a process that only an administrator may see"
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        # a wildcard takes the port on every address
        wildcards = {"0.0.0.0", "::"}  # noqa: S104  compared, not bound
        if connection.laddr.port == port and connection.laddr.ip in {host, *wildcards}:
            return _named(connection.pid)
    return ""


def _named(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a process that is just ending (pid {pid})"
