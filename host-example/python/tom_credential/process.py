"""A provider's process, as its host sees it: the start, the handshake line, the log, and the end."""

import base64
import collections
import contextlib
import io
import ipaddress
import json
import logging
import os
import queue
import signal
import subprocess
import threading
import weakref

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from . import launch, wire
from .certificate import new_certificate, unusable
from .error import Error, Reason
from .secret import REDACTION

_MAX_HANDSHAKE = 16 << 10  # bytes
_MAX_LINE = 64 << 10  # bytes of a log line; what is beyond is dropped
_MAX_SECRETS = 4096  # that are looked for in log lines
_LEVELS = {"trace": 5, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_PIPE_GRACE = 1.0  # seconds after the end in which its pipes are still read
_KILL_TIME = 5.0  # seconds that a killed process may take to be gone


class Process:
    """One launched provider, not connected yet. It leads a process group, which is ended with it."""

    def __init__(self, name, path, environ, pass_env, logger):
        self.log = Log(name, logger)
        self.key, self.certificate, _ = new_certificate()
        private = launch.socket_directory()
        self.directory = private.path
        variables = {
            **launch.environment(name, environ, pass_env),
            wire.COOKIE_NAME: wire.COOKIE,
            "PLUGIN_PROTOCOL_VERSIONS": str(wire.PROTOCOL_VERSION),
            "PLUGIN_CLIENT_CERT": self.certificate.decode(),
            "PLUGIN_UNIX_SOCKET_DIR": self.directory,
            "TOM_CREDENTIAL_LOG_LEVEL": self.log.level,
            # Standard input is a pipe without a writer: its end tells the provider that its host has exited.
            "TOM_CREDENTIAL_LIFELINE": "stdin",
        }
        pipe = subprocess.PIPE
        try:
            self._child = subprocess.Popen([path], stdin=pipe, stdout=pipe, stderr=pipe, env=variables, bufsize=0, process_group=0)
        except OSError as problem:
            private.remove()
            raise Error(
                Reason.PROVIDER_START_FAILED,
                f"provider {path} can't be started: {problem.strerror}",
                help="is it built for this system, and not on a file system mounted noexec?",
            ) from None
        # For a program that ends without close, or forgets it.
        self._abandoned = weakref.finalize(self, _abandon, self._child, private, os.getpid())
        self._first_line = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=_read_stdout, args=(self._child.stdout, self._first_line), daemon=True),
            threading.Thread(target=self.log.read, args=(self._child.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def handshake(self, timeout):
        """Waits for the handshake line: the address to connect to, in gRPC's form, and the provider's certificate in PEM form."""
        try:
            line = self._first_line.get(timeout=max(0.0, timeout))
        except queue.Empty:
            raise Error(Reason.PROVIDER_START_FAILED, f"it printed no handshake line within {timeout:.0f} s; {self.status()}") from None
        if not line:
            self.wait(_PIPE_GRACE)
            raise Error(Reason.PROVIDER_START_FAILED, self.status(), help="the last lines say why; more of them with log level debug")
        return parse_handshake(line, self.directory)

    def wait(self, timeout):
        """Waits for the process to exit and reports whether it has."""
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._threads[1].join(_PIPE_GRACE)  # what it wrote last says why
        return True

    def status(self):
        """How the process ended, and its last log lines: for error messages."""
        code = self._child.poll()
        ended = "it is still running"
        if code is not None:
            ended = f"it ended with status {code}" if code >= 0 else f"it was ended by signal {-code}"
        lines = self.log.last()
        return f"{ended}; its last lines:\n    " + "\n    ".join(lines) if lines else f"{ended}; it wrote no log lines"

    @property
    def pid(self):
        return self._child.pid

    def end(self, patience):
        """Ends what is left of the process and its group, by force after patience, in seconds."""
        self.wait(patience)
        self._child.stdin.close()
        _kill(self._child)
        if not self.wait(_KILL_TIME):
            self.log.warn("process %d could not be ended; it is left behind", self.pid)
        for thread in self._threads:
            thread.join(_PIPE_GRACE)  # a process that left the group may hold the pipes open
        _, _, (_, private, _), _ = self._abandoned.detach()
        private.remove()


def _abandon(child, private, owner):
    if os.getpid() == owner:  # and not a copy of it that was made with fork
        _kill(child)
        child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_KILL_TIME)
        private.remove()


def _kill(child):
    """Kills the group and the process: one that has left the group it was started in is missed by the first."""
    exited = child.poll() is not None  # its number may belong to another process then
    for kill in (os.killpg,) if exited else (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has exited, or runs under another user id
            kill(child.pid, signal.SIGKILL)


def _read_stdout(stream, first_line):
    """Passes the first line on, and reads the rest to nowhere, so that a provider that prints is never blocked."""
    with io.BufferedReader(stream) as lines:
        first_line.put(lines.readline(_MAX_HANDSHAKE).decode("utf-8", "replace").strip())
        while lines.read1():
            pass


def parse_handshake(line, directory):
    """Checks the handshake line. The socket must be in the directory that was made for it, or the address a loopback one."""

    def refuse(why, help="a provider prints nothing but the handshake line to standard output; is this the right file?"):
        raise Error(Reason.PROVIDER_INCOMPATIBLE, why, help=help)

    fields = line.split("|")
    if len(fields) < 5:
        refuse(f"it printed something else than a handshake line to standard output: {line[:80]!a}")
    core, version, network, address, protocol, certificate = (fields + [""])[:6]
    if core != "1" or protocol != "grpc":
        refuse(f"it speaks version {core[:80]!a} of go-plugin's core protocol over {protocol[:80]!a}, not '1' over 'grpc'")
    if version != str(wire.PROTOCOL_VERSION):
        refuse(f"it speaks version {version[:80]!a} of the contract, not {wire.PROTOCOL_VERSION}", "install another version of it")
    if not certificate:
        refuse("it does without mutual TLS: its handshake line has no certificate", "a provider must honour PLUGIN_CLIENT_CERT")
    if network == "unix" and os.path.dirname(os.path.normpath(address)) == os.path.normpath(directory):
        target = "unix:" + os.path.normpath(address)
    elif network == "tcp" and _loopback(address):
        target = ("ipv6:" if address.startswith("[") else "ipv4:") + address
    else:
        refuse(f"its address {network[:80]!a} {address[:80]!a} is neither a socket in {directory} nor a loopback address")
    try:
        parsed = x509.load_der_x509_certificate(base64.b64decode(certificate + "=" * (-len(certificate) % 4), validate=True))
    except ValueError:
        refuse("the certificate in its handshake line is not base64 without padding")
    if unusable(parsed):
        refuse(unusable(parsed), "have it use a key on P-256, as shared/provider does, or launch it from Go")
    return target, parsed.public_bytes(serialization.Encoding.PEM)


def _loopback(address):
    host, _, port = address.rpartition(":")
    try:
        return port.isdecimal() and ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Log:
    """Takes a provider's log lines over into a logging.Logger. Values that the host has handed out are hidden in them."""

    def __init__(self, name, logger):
        self._name, self._logger = name, logger
        self._lock = threading.Lock()
        self._known = {}  # the forms of secrets to look for, oldest first
        self._kept = set()  # those that are never forgotten: of the provider's settings
        self._longest_first = ()  # where one starts with another, hiding the shorter would show the rest of the longer
        self._last = collections.deque(maxlen=20)
        enabled = logger.getEffectiveLevel()
        #: The level that the provider is told, in its words.
        self.level = next((word for word, number in _LEVELS.items() if enabled <= number), "error")

    def learn(self, credential):
        """Adds the secrets of a credential. Short ones, which would hit words that mean nothing, are left out."""
        with self._lock:
            for secret in (credential.password, *credential.extra.values()):
                self._known.update(dict.fromkeys(_forms(secret.reveal() if secret is not None else "")))
            while len(self._known) > _MAX_SECRETS:
                del self._known[next(iter(self._known))]
            self._sort()

    def keep(self, value):
        """Adds a secret among the provider's settings."""
        with self._lock:
            self._kept.update(_forms(value))
            self._sort()

    def _sort(self):
        self._longest_first = tuple(sorted(self._kept.union(self._known), key=len, reverse=True))

    def redact(self, text):
        for secret in self._longest_first:
            text = text.replace(secret, REDACTION)
        return text

    def warn(self, message, *args):
        self._logger.warning("%s: " + message, self._name, *args)

    def last(self):
        with self._lock:
            return list(self._last)

    def read(self, stream):
        """Reads until the stream ends."""
        with io.BufferedReader(stream, _MAX_LINE) as lines:
            rest = False  # of a line that was too long
            while line := lines.readline(_MAX_LINE):
                whole = line.endswith(b"\n")
                if not rest and line.strip():
                    self._take(line.decode("utf-8", "replace").strip(), cut=len(line) == _MAX_LINE and not whole)
                rest = not whole

    def _take(self, line, cut):
        level, message = logging.DEBUG, line
        try:
            fields = json.loads(line)
            if isinstance(fields, dict):
                level = _LEVELS.get(_text(fields.pop("@level", "")), logging.DEBUG)
                for name in ("@timestamp", "@module", "@caller"):
                    fields.pop(name, None)
                message = _text(fields.pop("@message", "")) + "".join(f" {name}={_text(value)}" for name, value in fields.items())
        except (ValueError, RecursionError):  # the latter if it is nested too deeply
            pass
        message = self.redact(message)
        if cut and self._longest_first:  # half of a secret may be at the end
            message = message[: -len(self._longest_first[0])]
        message = "".join(c if c.isprintable() else "\ufffd" for c in message)
        with self._lock:
            self._last.append(message[:512])
        self._logger.log(level, "%s: %s", self._name, message)


def _forms(value):
    """The forms in which a secret is looked for: as it is, line by line, and escaped in JSON."""
    forms = (value, *value.splitlines(), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    return [form.strip() for form in forms if len(form.strip()) >= 8]


def _text(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
