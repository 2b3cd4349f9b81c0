"""How a host finds a provider's executable, checks it, and what it puts into its environment."""

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile

from . import wire
from .error import Error, Reason

DEFAULT_DIRS = ("/usr/local/libexec/tom/plugins",)

# What every provider gets if the host has it. Everything else, and so every secret in the host's environment, is passed
# only when it is asked for.
_BASE = [
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("TOM_CREDENTIAL_DEBUGGABLE", "GOTRACEBACK"),
]
_OWN = {wire.COOKIE_NAME, "TOM_CREDENTIAL_LIFELINE", "TOM_CREDENTIAL_LOG_LEVEL"}
_MAX_SOCKET_PATH = 103  # bytes, everywhere
_PRIVATE_PREFIX, _LOCK_NAME = "tom-", ".host"  # shared with the host in Go
_SOCKET_NAME = "plugin4294967295"  # the longest that go-plugin gives a socket


def find(name, dirs):
    """The path of a provider's executable: the first of dirs that has one."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", name):
        raise Error(
            Reason.PROVIDER_NOT_FOUND,
            f"{name!r} is not a provider's name",
            help="a name is made of lower-case letters, digits and underscores",
        )
    for directory in dirs:
        path = os.path.join(directory, wire.EXECUTABLE_PREFIX + name)
        if os.path.lexists(path):
            return path
    raise Error(
        Reason.PROVIDER_NOT_FOUND,
        f"there is no provider {name!r} ({wire.EXECUTABLE_PREFIX}{name}) in {', '.join(dirs)}",
        help="put the provider's executable into one of the directories, or name it with path",
    )


def check(path):
    """Resolves symbolic links, and refuses a file that another user could have put there or could change."""

    def refuse(why, help=()):
        raise Error(Reason.PROVIDER_REFUSED, f"provider {path} is not launched: {why}", help=help)

    resolved = os.path.realpath(path)
    try:
        about = os.lstat(resolved)
    except FileNotFoundError:
        raise Error(Reason.PROVIDER_NOT_FOUND, f"provider {path} does not exist") from None
    except OSError as problem:
        refuse(f"its path can't be followed: {problem.strerror}")
    if not stat.S_ISREG(about.st_mode):
        refuse("it is not a regular file")
    if not os.access(resolved, os.X_OK):
        refuse("it is not executable", help=f"chmod 0755 {resolved}")
    if about.st_uid not in (0, os.geteuid()):
        refuse(f"it belongs to user id {about.st_uid}, neither to root nor to this user", help=f"chown root {resolved}")
    if about.st_mode & 0o022:
        refuse(f"it is writable by group or others (mode {stat.S_IMODE(about.st_mode):04o})", help=f"chmod go-w {resolved}")
    directory = resolved
    while directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
        mode = os.lstat(directory).st_mode
        if mode & 0o002 and not mode & stat.S_ISVTX:
            refuse(f"its directory {directory} is writable by others (mode {stat.S_IMODE(mode):04o})", help=f"chmod o-w {directory}")
    return resolved


def environment(name, environ, pass_env):
    """Picks from environ what the provider gets. pass_env are names, or patterns with a * at the end."""
    if pass_env is None:
        pass_env = [name.partition("_")[0].upper() + "_*"]
    picked = {}
    for variable, value in environ.items():
        # The launch's own variables are never passed on by a pattern.
        if variable.startswith("PLUGIN_") or variable in _OWN:
            continue
        if any(variable.startswith(p[:-1]) if p.endswith("*") else variable == p for p in [*_BASE, *pass_env]):
            picked[variable] = value
    return picked


class PrivateDirectory:
    """A directory for one launch's socket, locked while its host lives: the system releases the lock of a killed one.

    The next launch of any host, of the one in Go too, removes the directories of killed hosts.
    """

    def __init__(self, parent):
        self.path = tempfile.mkdtemp(prefix=_PRIVATE_PREFIX, dir=parent)
        unnamed = os.path.join(self.path, _LOCK_NAME + "-")
        self._lock = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: the directory never counts as left over
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(unnamed, os.path.join(self.path, _LOCK_NAME))  # the file gets its name with the lock on it

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_leftovers(parent):
    with contextlib.suppress(OSError):
        for entry in os.scandir(parent):
            if entry.name.startswith(_PRIVATE_PREFIX) and entry.is_dir(follow_symlinks=False) and _left_over(entry.path):
                shutil.rmtree(entry.path, ignore_errors=True)


def _left_over(path):
    """Reports whether a directory is a private one of this user's whose host has exited."""
    try:
        about = os.lstat(path)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) != 0o700:
            return False
        lock = os.open(os.path.join(path, _LOCK_NAME), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)


def socket_directory():
    """Makes a private directory for one launch's socket. Its length is checked here: a socket that can't be bound shows up late."""
    tried = []
    for parent in (os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0], os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        if not parent or not os.path.isabs(parent):
            continue
        _remove_leftovers(parent)
        try:
            made = PrivateDirectory(parent)
        except OSError:
            tried.append(f"{parent} (not writable)")
            continue
        if len(os.fsencode(os.path.join(made.path, _SOCKET_NAME))) <= _MAX_SOCKET_PATH:
            return made
        made.remove()
        tried.append(f"{parent} (too long for a socket's address)")
    raise Error(
        Reason.PROVIDER_START_FAILED,
        f"there is no directory for the provider's socket: {', '.join(tried)}",
        help="set TMPDIR to a writable directory with a short name, such as /tmp",
    )
