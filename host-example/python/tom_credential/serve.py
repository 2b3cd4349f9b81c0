"""A provider's process: everything that go-plugin and the contract ask of it beside the calls themselves."""

import asyncio
import base64
import concurrent.futures
import contextvars
import ctypes
import logging
import os
import platform
import re
import resource
import secrets
import signal
import sys
import tempfile
import threading
import time

import grpc
from cryptography import x509

from . import service, wire
from .certificate import new_certificate, unusable
from .error import Error
from .log import log, set_up, trace_id

_MAX_SOCKET_PATH = 103  # bytes, everywhere
_THREADS = 256  # calls at the same time; others wait for their turn or their deadline
_MAX_MARGIN = 1.0  # seconds that are taken off a caller's time so that the answer arrives in it
_GRACE, _CLOSE_TIME = 0.2, 1.0  # seconds that calls under way, and close, have at the end


def main(kind):
    """Runs the provider, a Provider class, until its host ends it, and does not return.

    Started by hand it explains itself and exits with 1; --version and --help are answered. On Linux it switches core dumps
    and debuggers off; TOM_CREDENTIAL_DEBUGGABLE=1 leaves them alone.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", kind.name):
        sys.exit(f"provider name {kind.name!r}: a name is made of lower-case letters, digits and underscores, a letter first")
    calls = service.Service(kind, concurrent.futures.ThreadPoolExecutor(_THREADS, "call"))
    if sys.argv[1:2] == ["--version"]:
        made_of = f"Python {platform.python_version()}, grpcio {grpc.__version__}, contract v{wire.PROTOCOL_VERSION}"
        print(f"{wire.EXECUTABLE_PREFIX}{kind.name} {kind.version} ({made_of})")
        sys.exit(0)
    if sys.argv[1:2] in (["--help"], ["-h"]):
        print(_explanation(kind))
        sys.exit(0)
    if os.environ.get(wire.COOKIE_NAME) != wire.COOKIE:
        sys.exit(_explanation(kind))
    stdout = _take_stdout()
    set_up(os.environ.get("TOM_CREDENTIAL_LOG_LEVEL", ""))
    _harden()
    _watch_lifeline()
    try:
        asyncio.run(_serve(calls, stdout))
    except _NotStarted as problem:
        log.error("provider could not start", extra={"error": str(problem)})
        _exit(1)
    except BaseException:
        log.exception("provider could not start")
        _exit(1)
    _close(calls)
    _exit(0)


class _NotStarted(Exception):
    """Says why there will be no handshake."""


def _explanation(kind):
    executable = wire.EXECUTABLE_PREFIX + kind.name
    return f"""{executable} is a credential provider: it {kind.description}.

It isn't run by hand. A worker launches it when its settings say

    credential_plugin: {kind.name}

and finds it in the directory "plugins" beside the worker's executable, in
/usr/local/libexec/tom/plugins, or where credential_plugin_dirs points.

    {executable} --version    print the version and exit"""


def _take_stdout():
    """Keeps standard output for the handshake line. What else is printed goes to standard error."""
    stdout = os.dup(1)
    sys.stdout.flush()
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    return stdout


def _harden():
    """Keeps the process's memory, which holds passwords, out of core files and from debuggers of the same user."""
    os.umask(0o077)
    if os.environ.get("TOM_CREDENTIAL_DEBUGGABLE") == "1":
        log.warning("core dumps and debuggers are allowed", extra={"because": "TOM_CREDENTIAL_DEBUGGABLE"})
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        set_dumpable = 4
        if ctypes.CDLL(None).prctl(set_dumpable, 0, 0, 0, 0) != 0:
            log.warning("debuggers can't be kept out")


def _watch_lifeline():
    """Ends the process when standard input ends: the host holds the other end of that pipe, however it goes."""
    if os.environ.get("TOM_CREDENTIAL_LIFELINE") != "stdin":
        return
    lifeline = os.dup(0)  # no program that the provider starts shall read it
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch():
        while os.read(lifeline, 4096):
            pass
        log.debug("the host is gone")
        os._exit(0)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


async def _serve(calls, stdout):
    """Serves until the host calls Shutdown, or SIGTERM."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, about: log.debug("in the event loop: %s", about.get("message")))
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGINT, log.debug, "interrupt ignored: the host decides when to end")

    credentials, certificate = _mutual_tls()
    options = [
        ("grpc.max_receive_message_length", wire.MAX_MESSAGE),
        ("grpc.max_send_message_length", wire.MAX_MESSAGE),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers((_contract(calls), *_launch_services(ending)))
    path = _socket_path()
    server.add_secure_port("unix:" + path, credentials)
    await server.start()
    _shake_hands(stdout, path, certificate)
    await ending.wait()
    await server.stop(_GRACE)


def _mutual_tls():
    """Makes the provider's certificate, and credentials that admit only the holder of the host's."""
    host = os.environ.get("PLUGIN_CLIENT_CERT", "").encode()
    if not host:
        raise _NotStarted("the host offers no mutual TLS: PLUGIN_CLIENT_CERT is not set")
    try:
        problem = unusable(x509.load_pem_x509_certificate(host))
    except ValueError:
        raise _NotStarted("PLUGIN_CLIENT_CERT holds no certificate in PEM form") from None
    if problem:
        raise _NotStarted(f"there can be no connection with this host: {problem}")
    key, pem, der = new_certificate()
    return grpc.ssl_server_credentials([(key, pem)], root_certificates=host, require_client_auth=True), der


def _socket_path():
    directory = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp(prefix="tom-")
    path = os.path.join(directory, "provider" + secrets.token_hex(4))
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise _NotStarted(f"the directory {directory} has too long a name for a socket in it")
    return path


def _shake_hands(stdout, path, certificate):
    """Writes the one line of standard output. The seventh field is for hosts that ask whether a broker is multiplexed."""
    fields = ["1", str(wire.PROTOCOL_VERSION), "unix", path, "grpc", base64.b64encode(certificate).decode().rstrip("=")]
    if os.environ.get("PLUGIN_MULTIPLEX_GRPC"):
        fields.append("false")
    os.write(stdout, ("|".join(fields) + "\n").encode())
    log.debug("serving", extra={"address": path})


def _contract(calls):
    handlers = {}
    for name, request, response in wire.methods(wire.PROVIDER):
        answer = _answering(name, getattr(calls, name), calls.pool)
        handlers[name] = grpc.unary_unary_rpc_method_handler(answer, request.FromString, response.SerializeToString)
    return grpc.method_handlers_generic_handler(wire.PROVIDER, handlers)


def _answering(name, method, pool):
    """Surrounds a call: its deadline, its trace, a thread for it, and the form of its errors."""

    async def answer(message, context):
        around = contextvars.copy_context()
        left = context.time_remaining()
        if left is not None:
            left -= min(_MAX_MARGIN, left / 5)
            around.run(service.deadline.set, time.monotonic() + left)
        given_up = threading.Event()
        around.run(service.cancelled.set, given_up)
        trace_id.set(_trace(context))
        around.run(trace_id.set, trace_id.get())
        call = asyncio.wrap_future(pool.submit(around.run, service.attempt, method, message))
        try:
            outcome = await asyncio.wait_for(call, left)
        except TimeoutError as late:
            outcome = service.as_error(late)
        finally:
            given_up.set()
        if not isinstance(outcome, Error):
            return outcome
        service.log_failure(name, getattr(message, "credential_id", ""), outcome)
        await context.abort(outcome.code, wire.clip(outcome.message), ((wire.DETAILS_KEY, wire.error_to_status(outcome)),))

    return answer


def _trace(context):
    """The trace id of the W3C traceparent that the host sent, if it did."""
    sent = next((value for key, value in context.invocation_metadata() or () if key == "traceparent"), "")
    found = re.match("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", sent)
    return found[1] if found else ""


def _launch_services(ending):
    """The services that go-plugin expects beside the contract."""

    async def check(message, context):
        if message.service not in ("", wire.HEALTH_SERVICE):
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return wire.health.HealthCheckResponse(status="SERVING")

    async def shut_down(message, _):
        ending.set()
        return message

    async def say_nothing(_, context):
        """A stream that stays open: standard output and the broker, neither of which has anything to send."""
        await context.send_initial_metadata(())
        await ending.wait()
        return
        yield

    def serve(name, **handlers):
        return grpc.method_handlers_generic_handler(name, handlers)

    def unary(do, request, response):
        return grpc.unary_unary_rpc_method_handler(do, request.FromString, response.SerializeToString)

    return (
        serve(wire.HEALTH, Check=unary(check, wire.health.HealthCheckRequest, wire.health.HealthCheckResponse)),
        serve(wire.CONTROLLER, Shutdown=unary(shut_down, wire.Empty, wire.Empty)),
        serve(wire.STDIO, StreamStdio=grpc.unary_stream_rpc_method_handler(say_nothing)),
        serve(wire.BROKER, StartStream=grpc.stream_stream_rpc_method_handler(say_nothing)),
    )


def _close(calls):
    """Releases the provider, in bounded time and whatever it does."""

    def close():
        try:
            calls.close()
        except BaseException:
            log.warning("the provider could not be closed", exc_info=True)

    closing = threading.Thread(target=close, name="close", daemon=True)
    closing.start()
    closing.join(_CLOSE_TIME)


def _exit(status):
    """Ends without waiting for threads: a call may hang in one."""
    logging.shutdown()
    os._exit(status)
