"""Starts an agent where none is named: for development, and for containers with one worker.

The agent's socket is in a directory of this user, under a name that is made from all that the agent would run with: its
executable, the settings files, the working directory and the environment that it gets. So workers with the same settings share
one agent, and one with other settings gets another. It leads its own session, and exits a minute after its last client.
Every client that finds no agent starts one: the agents decide by a lock beside the socket which of them serves.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

from .error import Error, Reason

_LINGER = "60s"
_PROGRAM = "host-example"
_SETTINGS_FILES = {"TOM_WORKER_CONFIG_FILE": "tom_worker_config.yaml", "TOM_WORKER_ENV_FILE": "foo.env"}
# What differs between two terminals, and means nothing to an agent. The agent doesn't get it.
_OF_A_TERMINAL = {
    *("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "TERM", "COLORTERM", "LS_COLORS", "PS1", "PS2", "PROMPT_COMMAND", "DISPLAY"),
    *("WINDOWID", "TMUX", "TMUX_PANE", "STY", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "INVOCATION_ID", "JOURNAL_STREAM"),
    *("SYSTEMD_EXEC_PID", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"),
}
_OF_TERMINALS = ("XDG_SESSION_", "DBUS_", "PYTHON", "VTE_", "KONSOLE_", "ITERM_", "PYTEST_", "BASH_FUNC_")
_MAX_PATH = 103  # bytes of a socket's path, everywhere
_ANSWER_TIME = 1.0  # seconds in which an agent that runs says something
_SILENT_TIME = 30.0  # seconds after which one that doesn't is replaced; its provider's start is within them
_AGAIN = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between starts that fail
_LAST_LINES = 5
_WRONG_SETTINGS = 2  # the agent's exit status


class Starter:
    """Knows the socket of an agent with these settings, and starts the agent where there is none. Threads may share it.

    program  the agent's executable; None: that of the variable TOM_AGENT_PROGRAM, else host-example on PATH
    environ  where the agent's environment comes from; None: os.environ
    log      what takes its log, as the argument stderr of subprocess.Popen; None: a file beside the socket
    linger   how long it stays without a client, as "60s"; None: that of the variable TOM_AGENT_LINGER, else a minute
    """

    def __init__(self, program=None, environ=None, log=None, linger=None):
        environ = os.environ if environ is None else environ
        self._environ = {
            name: value for name, value in environ.items() if name not in _OF_A_TERMINAL and not name.startswith(_OF_TERMINALS)
        }
        self._program = _find(program or environ.get("TOM_AGENT_PROGRAM") or _PROGRAM, environ)
        self._cwd, self._log = os.getcwd(), log
        self._linger = linger or environ.get("TOM_AGENT_LINGER") or _LINGER
        self.socket = os.path.join(_directory(environ), self._name() + ".sock")
        if len(os.fsencode(self.socket)) > _MAX_PATH:
            raise _failed(f"the path of the agent's socket, {self.socket}, is too long", "set XDG_RUNTIME_DIR to a shorter one")
        self._lock = threading.Lock()
        self._looked, self._problem = 0.0, None  # when ensure has last looked, and what it raised
        self._process = None
        self._failures, self._next = 0, 0.0  # of starts
        self._silent = self._stopped = None  # since when; and which process, at the probe before

    def ensure(self):
        """Sees that an agent serves or starts. It is called when there was no answer, and may take a second. Threads that call it at
        the same time share what it finds."""
        asked = time.monotonic()
        with self._lock:
            if self._looked <= asked:
                try:
                    self._problem = None
                    self._look()
                except Error as problem:
                    self._problem = problem
                self._looked = time.monotonic()
            if self._problem is not None:
                raise self._problem

    def _look(self):
        answers, pid = _probe(self.socket)
        if answers:
            self._silent = self._stopped = None
            self._failures = 0
            return
        self._ended()
        if pid is not None:
            self._replace(pid)
        elif self._process is None and time.monotonic() >= self._next:
            self._start()

    def _start(self):
        arguments = [self._program, "agent", "--socket", self.socket, "--linger", self._linger]
        with contextlib.ExitStack() as files:
            log = self._log
            if log is None:
                log = files.enter_context(open(os.open(self._log_path(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), "w"))
            try:
                self._process = subprocess.Popen(
                    arguments,
                    env=self._environ,
                    cwd=self._cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as problem:
                raise _failed(f"the agent {self._program} can't be started: {problem.strerror}", "see that it is an executable") from None
        # Its end is noted, so that no zombie is left.
        threading.Thread(target=self._process.wait, name="agent's end", daemon=True).start()

    def _ended(self):
        """Looks at how the agent that was started here has ended, if it has."""
        if self._process is None or self._process.poll() is None:
            return
        status, self._process = self._process.returncode, None
        self._next = time.monotonic() + _AGAIN[min(self._failures, len(_AGAIN) - 1)]
        self._failures += 1
        if status == _WRONG_SETTINGS:
            raise Error(
                Reason.SETTINGS_INVALID,
                f"the agent has exited: its settings or its provider's are wrong{self.last_lines()}",
                help="correct them",
            )

    def _replace(self, pid):
        """Ends an agent that says nothing: one that was stopped, or that has hung since long. A new one is started next."""
        now = time.monotonic()
        self._silent = self._silent or now
        stopped = _is_stopped(pid)
        if stopped and self._stopped == pid or now - self._silent > _SILENT_TIME:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            self._silent = self._stopped = None
        else:
            self._stopped = pid if stopped else None

    def last_lines(self):
        """The end of the agent's log, for error messages."""
        if self._log is not None:
            return "; its log says why"
        try:
            with open(self._log_path(), errors="replace") as log:
                lines = [line.strip()[:512] for line in log if line.strip()][-_LAST_LINES:]
        except OSError:
            return ""
        return f"; the last lines of {self._log_path()}:" + "".join(f"\n    {line}" for line in lines) if lines else ""

    def _log_path(self):
        return self.socket.removesuffix(".sock") + ".log"

    def _name(self):
        """A digest, with a key since others may see it in the list of processes, of all that the agent would run with."""
        about = os.stat(self._program)
        parts = [self._program, about.st_ino, about.st_size, about.st_mtime_ns, self._cwd, self._linger]
        for name, default in _SETTINGS_FILES.items():
            given = {key.upper(): value for key, value in self._environ.items()}.get(name)
            try:
                with open(os.path.join(self._cwd, given or default), "rb") as file:
                    parts.append(hashlib.sha256(file.read()).hexdigest())
            except OSError as problem:
                parts.append(problem.strerror)
        parts += (f"{name}={value}" for name, value in sorted(self._environ.items()))
        message = "\0".join(map(str, parts)).encode("utf-8", "surrogateescape")
        return hmac.new(_key(_directory(self._environ)), message, hashlib.sha256).hexdigest()[:24]


def _failed(message, help):
    return Error(Reason.PROVIDER_START_FAILED, message, help=help)


def _find(program, environ):
    found = shutil.which(program, path=environ.get("PATH"))
    if found is None:
        raise _failed(
            f"no agent is named, and {program} is not there to start one",
            "name the agent's socket in TOM_AGENT_SOCKET, or install host-example and set TOM_AGENT_PROGRAM to its path",
        )
    return os.path.realpath(found)


def _directory(environ):
    """The directory of the sockets, which this user alone can enter."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    path = os.path.join(runtime, "tom-agent") if os.path.isdir(runtime) else f"/tmp/tom-agent-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            raise
        except OSError as problem:
            raise _failed(f"the directory {path} for the agent's socket can't be made: {problem.strerror}", "set XDG_RUNTIME_DIR") from None
    about = os.lstat(path)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise _failed(f"{path} must be a directory of this user with mode 0700", f"remove it, or set XDG_RUNTIME_DIR; ls -ld {path}")
    return path


def _key(directory):
    """The key of the names, which the first client makes."""
    path = os.path.join(directory, "names.key")
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        draft = f"{path}.{secrets.token_hex(8)}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        os.unlink(draft)
        return _key(directory)


def _probe(path):
    """Whether an agent answers at the socket, and the process that listens there, as far as the system tells."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_TIME)
        try:
            connection.connect(path)
        except OSError:
            return False, None
        pid = 0
        if hasattr(socket, "SO_PEERCRED"):
            pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        try:
            return connection.recv(1) != b"", pid  # the settings that an HTTP/2 server sends first
        except OSError:
            return False, pid


def _is_stopped(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"T"
    except (OSError, IndexError):
        return False
