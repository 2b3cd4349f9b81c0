"""The client of an agent: credentials, and logins that lock no account, for a worker in Python.

An agent (host-example agent) is a process of this machine that has launched a provider. It serves, on a Unix socket,
supervision, cache, stale service, and the guard of logins:

    from tom_credential import agent

    with agent.connect("/run/tom-agent/agent.sock") as client:
        with client.login("lab_creds", "10.0.0.1:22") as attempt:
            connection = dial("10.0.0.1", 22)            # no secret is needed yet
            found = attempt.present()                     # when the device asks, and not before: it may wait for a permit
            try:
                connection.login(found.username, found.password.reveal())
            except AuthenticationFailed:                  # the device said no
                raise agent.Refused from None

What ends the block is the device's answer: its end without an exception is ACCEPTED, Refused is REFUSED, AskedMore is
a device that got the password and asks for a code then, any other exception after present is UNKNOWN (NotPresented
says that the device saw nothing), and a block in which present gave nothing has presented nothing. To try the
material that the agent may have after a refusal, call refused() instead: it reports, and returns True where present()
gives other material for one more try, on a new connection.

AsyncClient, from connect_async, is the same with "async with" and "await". A task may be cancelled at any moment: what it
has not shown is reported as NOT_PRESENTED.

Where no socket is given, the agent is that of the variable TOM_AGENT_SOCKET, else one that the client starts, as local.py says.

Errors are Error, with reason, help and retry_delay; reason.transient is true where trying later may help. A call repeats
itself while the agent is being restarted, within its timeout. A process that was made with fork can't use its parent's
client: connect after the fork.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import enum
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import grpc

from . import listing, local, wire
from .credential import Check, Credential, Request, Summary
from .error import Error, Reason
from .secret import Secret

__all__ = ["AskedMore", "AsyncClient", "Client", "Credential", "Error", "NotPresented", "Reason", "Refused", "Secret", "Summary"]
__all__ += ["connect", "connect_async"]

CALL_TIMEOUT = 15.0  # seconds for a read
PRESENT_TIMEOUT = 60.0  # seconds for a permit
_REPORT_TIMEOUT = 5.0  # seconds for a report whose answer doesn't matter
_REFUSED_TIMEOUT = 1.0  # seconds for one of REFUSED: it counts when it arrives, and its answer may take 30 s
_OTHER_MATERIAL_TIMEOUT = 40.0  # seconds for a report of REFUSED: the agent answers after 30
_PATIENCE = 1.5  # seconds without an answer after which a started agent is looked at
_AGAIN = 0.05  # seconds between two tries at an agent that isn't there
_METHODS = {
    **{name: (wire.PROVIDER, request, response) for name, request, response in wire.methods(wire.PROVIDER)},
    **{name: (wire.GUARD, request, response) for name, request, response in wire.methods(wire.GUARD)},
}
_OPTIONS = [
    ("grpc.max_receive_message_length", wire.MAX_MESSAGE),
    ("grpc.max_metadata_size", 64 << 10),
    ("grpc.absolute_max_metadata_size", 64 << 10),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.default_authority", "localhost"),
    # A new agent is found within half a second. What is called the least time between tries is how long one may take.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 200),
]


class Refused(Exception):
    """Raised in a login's block: the device refused the material. It is what the device said, not what a library raised: a
    device that is silent, a connection that drops and an AAA server that doesn't answer are none."""


class NotPresented(Exception):
    """Raised in a login's block after present: the device was not shown the material, and won't be."""


class AskedMore(Exception):
    """Raised in a login's block after present: the device got the material, said neither yes nor no to it, and asks for something
    else then, such as a code. That device is paused, and nothing is held against the material. A device that says no before it asks
    has refused it."""


class _Answer(enum.IntEnum):
    ACCEPTED, REFUSED, UNKNOWN, NOT_PRESENTED, ASKED_MORE = 1, 2, 3, 4, 5


def _meant(exception):
    """The device's answer that an exception in a login's block stands for."""
    for kind, answer in ((Refused, _Answer.REFUSED), (AskedMore, _Answer.ASKED_MORE), (NotPresented, _Answer.NOT_PRESENTED)):
        if issubclass(exception, kind):
            return answer
    return _Answer.UNKNOWN


def connect(
    socket: str | os.PathLike[str] | None = None, *, program: str | None = None, environ: Mapping[str, str] | None = None, log: Any = None
) -> Client:
    """Returns a Client of the agent at the path of its socket. It connects with the first call. Without a socket it is the agent
    of TOM_AGENT_SOCKET, or one that is started: program, environ and log are those of local.Starter."""
    return Client(*endpoint(socket, program, environ, log))


def connect_async(
    socket: str | os.PathLike[str] | None = None, *, program: str | None = None, environ: Mapping[str, str] | None = None, log: Any = None
) -> AsyncClient:
    """Returns an AsyncClient for the running event loop, as connect does."""
    return AsyncClient(*endpoint(socket, program, environ, log))


def endpoint(socket=None, program=None, environ=None, log=None):
    """The first two arguments of a client: the agent's socket, and what starts the agent if none is named, else None."""
    socket = socket or (os.environ if environ is None else environ).get("TOM_AGENT_SOCKET")
    if socket:
        return socket, None
    starter = local.Starter(program, environ, log)
    return starter.socket, starter


def _failure(failure):
    """The Error of a failed call; None if the agent was not there to answer."""
    for key, value in failure.trailing_metadata() or ():
        if key == wire.DETAILS_KEY and (sent := wire.status_to_error(value, from_host=True)):
            return None if sent.metadata.get("stage") == "agent" else sent  # it is exiting, and another one may follow
    code = failure.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return None
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Error(Reason.DEADLINE_EXCEEDED, "the time was up before the agent answered")
    if code is grpc.StatusCode.CANCELLED:
        return Error(Reason.CANCELLED, "the client of the agent has been closed")
    return Error(Reason.INTERNAL, f"the agent answered with status {code.name} and no reason of the contract")


class _Base:
    """What both clients share: messages, and the state of the channel."""

    def __init__(self, socket, starter, channel):
        self._starter = starter
        self.socket = os.fspath(socket)
        self._channel = channel("unix:" + os.path.abspath(self.socket), options=_OPTIONS)
        self._pid = os.getpid()
        self._stubs = {
            name: self._channel.unary_unary(
                f"/{service}/{name}", request_serializer=request.SerializeToString, response_deserializer=response.FromString
            )
            for name, (service, request, response) in _METHODS.items()
        }

    def _stub(self, method):
        if os.getpid() != self._pid:
            raise Error(
                Reason.UNSUPPORTED, "this process was made with fork after the agent's client", help="call connect in the new process"
            )
        return self._stubs[method]

    def _unreachable(self):
        why = self._starter.last_lines() if self._starter else ""
        return Error(
            Reason.PROVIDER_UNRESPONSIVE,
            f"the agent at {self.socket} is unreachable{why}",
            help=f"start it: host-example agent --socket {self.socket}",
        )

    def __repr__(self):
        return f"<client of the agent at {self.socket}>"


class Client(_Base):
    """Asks an agent. Its methods may be called by many threads at the same time. close it, or use it in a with statement."""

    def __init__(self, socket, starter=None):
        super().__init__(socket, starter, grpc.insecure_channel)

    def get(self, id: str, *, version_id: str = "", version_label: str = "", timeout: float = CALL_TIMEOUT) -> Credential:
        """Reads one credential, the current version unless one is named. A password from here has no guard: use login."""
        message = wire.request_to_proto(Request(id, version_id, version_label))
        return wire.credential_from_proto(self._call("GetCredential", message, timeout).credential)

    def get_batch(self, ids: Iterable[str], *, timeout: float = CALL_TIMEOUT) -> builtins.list[Credential | Error]:
        """Reads many credentials: for each id a Credential or the Error, in their order."""
        results = []
        for part, message in listing.batches(list(ids)):
            results += listing.batch_results(part, self._call("BatchGetCredentials", message, timeout))
        return results

    def list(self, *, timeout: float = CALL_TIMEOUT) -> Iterator[Summary]:
        """Yields a Summary of each credential; the timeout is for each page."""
        pages = listing.Pages()
        while True:
            yield from pages.take(self._call("ListCredentials", pages.request(), timeout))
            if not pages.token:
                return

    def validate(self, id: str | None = None, *, timeout: float = CALL_TIMEOUT) -> builtins.list[Check]:
        """Lets the provider check its backend, and read the credential id if one is given: a list of Checks."""
        answer = self._call("Validate", wire.v1.ValidateRequest(credential_id=id), timeout)
        return [wire.check_from_proto(check) for check in answer.checks]

    def login(self, id: str, device: str) -> Login:
        """Starts a login at a device, named always in the same way, such as "10.0.0.1:22". Use it in a with statement."""
        return Login(self, id, device)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_):
        self.close()

    def _call(self, method, message, timeout):
        stub, end = self._stub(method), time.monotonic() + timeout
        while True:
            try:
                return self._answer(stub, message, max(0.0, end - time.monotonic()))
            except grpc.RpcError as failure:
                problem = _failure(failure)
            except ValueError:  # what gRPC says of a channel that is closed
                problem = Error(Reason.CANCELLED, "the client of the agent has been closed")
            if problem is None and time.monotonic() + _AGAIN >= end:
                problem = self._unreachable()
            if problem is not None:
                raise problem from None  # gRPC's own error shows its headers
            if self._starter is not None:
                self._starter.ensure()
            time.sleep(_AGAIN)

    def _answer(self, stub, message, timeout):
        if self._starter is None:
            return stub(message, timeout=timeout)
        call = stub.future(message, timeout=timeout)
        while True:
            try:
                return call.result(_PATIENCE)
            except grpc.FutureTimeoutError:
                self._starter.ensure()  # which ends an agent that was stopped: the call fails then, and is repeated
            except grpc.FutureCancelledError:
                raise Error(Reason.CANCELLED, "the client of the agent has been closed") from None
            except BaseException as problem:
                if not isinstance(problem, grpc.RpcError):  # the caller was interrupted
                    call.cancel()
                raise


class AsyncClient(_Base):
    """Client for asyncio. It belongs to the event loop in which it was made."""

    def __init__(self, socket, starter=None):
        super().__init__(socket, starter, grpc.aio.insecure_channel)
        self._ensuring = None  # one thread for all calls

    async def get(self, id: str, *, version_id: str = "", version_label: str = "", timeout: float = CALL_TIMEOUT) -> Credential:
        message = wire.request_to_proto(Request(id, version_id, version_label))
        return wire.credential_from_proto((await self._call("GetCredential", message, timeout)).credential)

    async def get_batch(self, ids: Iterable[str], *, timeout: float = CALL_TIMEOUT) -> builtins.list[Credential | Error]:
        results = []
        for part, message in listing.batches(list(ids)):
            results += listing.batch_results(part, await self._call("BatchGetCredentials", message, timeout))
        return results

    async def list(self, *, timeout: float = CALL_TIMEOUT) -> builtins.list[Summary]:
        """All Summaries, in a list."""
        pages, found = listing.Pages(), []
        while True:
            found += pages.take(await self._call("ListCredentials", pages.request(), timeout))
            if not pages.token:
                return found

    async def validate(self, id: str | None = None, *, timeout: float = CALL_TIMEOUT) -> builtins.list[Check]:
        answer = await self._call("Validate", wire.v1.ValidateRequest(credential_id=id), timeout)
        return [wire.check_from_proto(check) for check in answer.checks]

    def login(self, id: str, device: str) -> AsyncLogin:
        """As Client.login, in an "async with" statement."""
        return AsyncLogin(self, id, device)

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def _call(self, method, message, timeout):
        stub, end = self._stub(method), time.monotonic() + timeout
        while True:
            try:
                return await self._answer(stub(message, timeout=max(0.0, end - time.monotonic())))
            except grpc.RpcError as failure:
                problem = _failure(failure)
            if problem is None and time.monotonic() + _AGAIN >= end:
                problem = self._unreachable()
            if problem is not None:
                raise problem from None
            if self._starter is not None:
                await self._ensure()
            await asyncio.sleep(_AGAIN)

    async def _ensure(self):
        if self._ensuring is None or self._ensuring.done():
            self._ensuring = asyncio.ensure_future(_in_thread(self._starter.ensure))
        await asyncio.shield(self._ensuring)

    async def _answer(self, call):
        if self._starter is None:
            return await call
        looking = None

        def look():
            nonlocal looking
            looking = asyncio.ensure_future(self._ensure())
            looking.add_done_callback(again)

        def again(looked):
            nonlocal timer
            timer = asyncio.get_running_loop().call_later(_PATIENCE, look)
            if not looked.cancelled():
                looked.exception()  # the call itself fails

        timer = asyncio.get_running_loop().call_later(_PATIENCE, look)
        try:
            return await call
        finally:
            if looking is not None:
                looking.remove_done_callback(again)
                looking.cancel()
            timer.cancel()


async def _in_thread(call):
    """Waits for a call in a separate thread: asyncio's threads may be taken by logins."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle(result, problem):
        if not done.done():
            done.set_result(result) if problem is None else done.set_exception(problem)

    def run():
        result, problem = None, None
        try:
            result = call()
        except Exception as raised:
            problem = raised
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name="agent's start", daemon=True).start()
    return await done


def _end_timeout(report):
    """Seconds for the report at the end of a login's block."""
    return _REFUSED_TIMEOUT if report.answer == _Answer.REFUSED else _REPORT_TIMEOUT


class _LoginState:
    """A login, less the calls: which material is with the caller, and what its block's end means."""

    def __init__(self, client, id, device):
        self._client, self.id, self.device = client, id, device
        self._login_id = secrets.token_bytes(16)
        self._asked = False  # the agent may have a permit for the login that was not used
        self._permit = None  # of material that the caller has, not reported yet
        self._over = False  # the block has ended
        #: When the answer must have been reported, by time.monotonic(); 0 before present.
        self.report_before = 0.0

    def _present(self):
        self._asked = True
        return wire.guard.PresentRequest(login_id=self._login_id, credential_id=self.id, device=self.device)

    def _presented(self, answer):
        self._permit, self._asked = answer.permit, False
        # A library that asks in a separate task or thread may get the answer after the block has been left, which has reported
        # that nothing was presented. (The block looks for a permit after it has said so: one of the two sees the other.)
        if self._over:
            raise Error(Reason.CANCELLED, "the login has ended before its material came")
        self.report_before = time.monotonic() + answer.report_within.ToTimedelta().total_seconds()
        return wire.credential_from_proto(answer.credential)

    def _answered(self, answer):
        if self._permit is None:
            raise Error(
                Reason.REQUEST_INVALID, "no material was presented in this login", help="call present first, and once for each answer"
            )
        message, self._permit = wire.guard.ReportRequest(permit=self._permit, answer=answer), None
        return message

    def _ended(self, kind):
        """The report that the end of the block needs, if any."""
        self._over = True
        if self._permit is not None:
            return self._answered(_Answer.ACCEPTED if kind is None else _meant(kind))
        if self._asked:
            return wire.guard.ReportRequest(login_id=self._login_id, answer=_Answer.NOT_PRESENTED)
        return None


class Login(_LoginState):
    """One login at a device; Client.login makes it."""

    def present(self, *, timeout: float = PRESENT_TIMEOUT) -> Credential:
        """Waits until the login may be tried, and returns the Credential to show: at once, and once. Where a login would be
        refused as far as the agent knows it raises CREDENTIAL_REJECTED, with retry_delay."""
        return self._presented(self._client._call("Present", self._present(), timeout))

    def accepted(self) -> None:
        """Reports that the device accepted the login. The end of the block does the same: call it before longer work."""
        self._client._call("Report", self._answered(_Answer.ACCEPTED), _REPORT_TIMEOUT)

    def refused(self, *, timeout: float = _OTHER_MATERIAL_TIMEOUT) -> bool:
        """Reports that the device refused the material. True: present returns other material now."""
        return self._client._call("Report", self._answered(_Answer.REFUSED), timeout).other_material

    def __enter__(self) -> Login:
        return self

    def __exit__(self, kind, *_):
        if message := self._ended(kind):
            # The report counts even if its answer is late; an agent that is gone takes the permit for UNKNOWN.
            with contextlib.suppress(Error):
                self._client._call("Report", message, _end_timeout(message))


class AsyncLogin(_LoginState):
    """One login at a device; AsyncClient.login makes it."""

    async def present(self, *, timeout: float = PRESENT_TIMEOUT) -> Credential:
        return self._presented(await self._client._call("Present", self._present(), timeout))

    async def accepted(self) -> None:
        await self._client._call("Report", self._answered(_Answer.ACCEPTED), _REPORT_TIMEOUT)

    async def refused(self, *, timeout: float = _OTHER_MATERIAL_TIMEOUT) -> bool:
        return (await self._client._call("Report", self._answered(_Answer.REFUSED), timeout)).other_material

    async def __aenter__(self) -> AsyncLogin:
        return self

    async def __aexit__(self, kind, *_):
        if message := self._ended(kind):
            report = asyncio.ensure_future(self._client._call("Report", message, _end_timeout(message)))
            with contextlib.suppress(Error):
                await asyncio.shield(report)  # it goes on if this task is cancelled once more
