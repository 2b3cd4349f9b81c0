"""How a host finds a provider's executable, checks it, and what it puts into its environment."""

import os
import re
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
_SOCKET_NAME = "plugin4294967295"  # the longest that go-plugin gives a socket


def find(name, dirs):
    """The path of a provider's executable: the first of dirs that has one."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", name):
        raise Error(
            Reason.PROVIDER_NOT_FOUND,
            f"{name!r} is not a provider's name",
            help="a name is made of lower-case letters, digits and underscores",
        )
    for folder in dirs:
        path = os.path.join(folder, wire.EXECUTABLE_PREFIX + name)
        if os.path.lexists(path):
            return path
    raise Error(
        Reason.PROVIDER_NOT_FOUND,
        f"there is no provider {name!r} ({wire.EXECUTABLE_PREFIX}{name}) in {', '.join(dirs)}",
        help="put the provider's executable into one of the folders, or name it with path",
    )


def check(path):
    """Resolves symbolic links, and refuses a file that somebody else could have put there or could change."""

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
    folder = resolved
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        mode = os.lstat(folder).st_mode
        if mode & 0o002 and not mode & stat.S_ISVTX:
            refuse(f"its folder {folder} is writable by others (mode {stat.S_IMODE(mode):04o})", help=f"chmod o-w {folder}")
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


def socket_folder():
    """Makes a private folder for one launch's socket. Its length is checked here: a socket that can't be bound shows up late."""
    tried = []
    for folder in (os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0], os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        if not folder or not os.path.isabs(folder):
            continue
        try:
            made = tempfile.mkdtemp(prefix="tom-", dir=folder)
        except OSError:
            tried.append(f"{folder} (not writable)")
            continue
        if len(os.fsencode(os.path.join(made, _SOCKET_NAME))) <= _MAX_SOCKET_PATH:
            return made
        os.rmdir(made)
        tried.append(f"{folder} (too long for a socket's address)")
    raise Error(
        Reason.PROVIDER_START_FAILED,
        f"there is no folder for the provider's socket: {', '.join(tried)}",
        help="set TMPDIR to a writable folder with a short name, such as /tmp",
    )
