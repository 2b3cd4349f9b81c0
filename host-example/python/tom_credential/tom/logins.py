"""Tom's two adapters with the guard around their logins.

A refusal is what the device said, not what a library raised: silence, a dropped line and an AAA server that doesn't answer raise
the same exceptions of netmiko and scrapli. And a job whose time is up doesn't undo that its password is on the way to the
device: such a login goes on until the device has answered, which is reported, and its connection is closed.

A password goes once into a login, and into no prompt for something else: paramiko's own way is to answer a prompt for a
code with it, and asyncssh would take such a device for one that refuses.
"""

import asyncio
import concurrent.futures
import contextlib
import inspect
import socket
import time

import asyncssh
import netmiko
import paramiko
from netmiko.exceptions import NetmikoAuthenticationException
from scrapli.exceptions import ScrapliAuthenticationFailed
from tom_worker import adapters
from tom_worker.exceptions import AuthenticationException, PermanentException, TomException, TransientException

from ..agent import AskedMore, NotPresented
from ..error import Error, Reason
from ..prompt import asks_again, asks_password, whole
from .plugin import GuardedCredentials, exception_of

_CONNECT_TIMEOUT = 10.0  # seconds for the connection and the device's first word
_OTHER_MATERIAL_TIMEOUT = 4.0  # seconds in which the backend may have something else, of a job's ten
_REFUSED = "Authentication failed."  # paramiko's words for what the device said
_THREADS = 128  # each login of netmiko blocks one; asyncio's own threads are for Tom's commands
_threads = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="login")
_running = set()  # logins, also those whose job has gone


class _RefusedByDevice(Exception):
    """The device said no."""


class _Guarded:
    """The login of an adapter, less the library that carries it out."""

    async def connect(self):
        if not isinstance(self.credential, GuardedCredentials):  # the job brought it along
            return await super().connect()
        self._presented = self._abandoned = False
        login = asyncio.create_task(self._login())
        _running.add(login)
        login.add_done_callback(_running.discard)
        try:
            await asyncio.shield(login)
        except asyncio.CancelledError:
            self._abandoned = True
            if not self._presented:
                login.cancel()
            login.add_done_callback(self._close_abandoned)
            raise

    def _close_abandoned(self, login):
        if not login.cancelled() and login.exception() is None:
            closing = asyncio.ensure_future(self.close())
            _running.add(closing)
            closing.add_done_callback(_running.discard)

    async def _login(self):
        try:
            async with self.credential.client.login(self.credential.credential_id, f"{self.host}:{self.port}") as attempt:
                await self._try(attempt)
        except Error as problem:
            raise exception_of(problem) from None
        except NotPresented as problem:
            raise TransientException(str(problem)) from problem.__cause__
        except AskedMore as problem:
            raise PermanentException(f"{self.host}:{self.port} asks for more than a password: {problem}") from None

    async def _try(self, attempt):
        while True:
            try:
                await self._open(attempt)
            except _RefusedByDevice as refusal:
                if await self._has_other_material(attempt):
                    continue
                raise AuthenticationException(f"Authentication failed for {self.host}:{self.port} - {refusal}") from refusal.__cause__
            return

    async def _has_other_material(self, attempt):
        try:
            return await attempt.refused(timeout=_OTHER_MATERIAL_TIMEOUT)
        except Error as problem:
            if problem.reason is Reason.DEADLINE_EXCEEDED:  # the agent goes on reading the backend, and the job is tried again
                raise TransientException(f"{self.host}:{self.port} has refused the login, and there is no other password yet") from None
            raise

    def _names(self):
        """Words of a prompt that say who is asked."""
        return self.credential.username, self.host, self.host.partition(".")[0]

    async def _present(self, attempt):
        if self._abandoned:
            raise NotPresented("the job's time was up")
        found = await attempt.present()
        if self._abandoned:  # scrapli asks in another task, which may go on when the job has gone
            raise NotPresented("the job's time was up")
        self._presented = True
        if found.password is None:
            raise NotPresented(f"credential {self.credential.credential_id} has no password any more")
        return found

    async def _accepted(self, attempt):
        """Frees the permit: the commands need none. If the agent is away it takes the login for one without an answer."""
        with contextlib.suppress(Error):
            await attempt.accepted()


class NetmikoAdapter(_Guarded, adapters.NetmikoAdapter):
    async def _open(self, attempt):
        line = await self._dial()
        loop, reports = asyncio.get_running_loop(), []

        def accepted():
            """Is called in the thread. No permit is needed while netmiko waits for the prompt, which takes longer than the login."""
            loop.call_soon_threadsafe(lambda: reports.append(asyncio.ensure_future(self._accepted(attempt))))

        try:
            found = await self._present(attempt)
            self.connection = await loop.run_in_executor(_threads, self._netmiko, line, found, attempt.report_before, accepted)
        except BaseException:
            line.close()
            raise
        finally:
            await asyncio.gather(*reports)

    async def _dial(self):
        """Connects and waits for the device's first word: a silent device needs no permit."""
        if "telnet" in self.device_type or "serial" in self.device_type:
            return _NoLine()
        loop = asyncio.get_running_loop()
        line = None
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
                for i, (family, kind, protocol, _, address) in enumerate(found):
                    line = socket.socket(family, kind, protocol)
                    line.setblocking(False)
                    try:
                        await loop.sock_connect(line, address)
                        break
                    except OSError:
                        line.close()
                        if i == len(found) - 1:
                            raise
                await _readable(loop, line)
        except OSError as problem:  # a TimeoutError is one
            if line is not None:
                line.close()
            raise TransientException(f"{self.host}:{self.port} is unreachable: {problem or 'it is silent'}") from problem
        except BaseException:
            if line is not None:
                line.close()
            raise
        line.setblocking(True)
        return line

    def _netmiko(self, line, found, report_before, accepted):
        """Logs in, in a thread."""
        connection = netmiko.ConnectHandler(
            host=self.host,
            username=found.username,
            password=found.password.reveal(),
            device_type=self.device_type,
            port=self.port,
            sock=line.sock if isinstance(line, _NoLine) else line,
            auth_timeout=max(1.0, report_before - time.monotonic() - 1),
            auto_connect=False,
        )
        establish, parameters = connection.establish_connection, connection._connect_params_dict
        connection._connect_params_dict = lambda: {
            **parameters(),
            "transport_factory": lambda *args, **kwargs: _Transport(self._names(), *args, **kwargs),
        }

        def note(*args, **kwargs):
            establish(*args, **kwargs)
            accepted()

        connection.establish_connection = note
        try:
            connection._open()
        except NetmikoAuthenticationException as problem:
            said = problem.__context__
            if isinstance(said, paramiko.BadAuthenticationType):
                raise NotPresented(f"{self.host}:{self.port} asks for no password: {said}") from problem
            if type(said) is paramiko.AuthenticationException and str(said) == _REFUSED:
                raise _RefusedByDevice(str(said)) from problem
            raise TransientException(f"{self.host}:{self.port} didn't answer the login: {said or problem}") from problem
        return connection


class _Transport(paramiko.Transport):
    """Answers prompts for the password alone, and tells a device that wants more than the password from one that accepts it."""

    def __init__(self, names, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._who = names

    def auth_password(self, username, password, event=None, fallback=True):
        try:
            left = super().auth_password(username, password, fallback=False)
        except paramiko.BadAuthenticationType as problem:
            if "keyboard-interactive" not in problem.allowed_types:
                raise
            left = self._questions(username, password)
        if left:
            raise AskedMore(f"it goes on with {', '.join(left)}")
        return left

    def _questions(self, username, password):
        shown, ended = False, None

        def answer(title, instructions, prompts):
            nonlocal shown, ended
            if not prompts:
                return []  # it only says something
            prompt = whole(title, instructions, prompts[0][0])
            if shown and asks_again(prompt, *self._who):
                ended = paramiko.AuthenticationException(_REFUSED)  # it asks for the password once more
            elif shown:
                ended = AskedMore(repr(prompt))
            elif len(prompts) > 1 or not asks_password(prompt, *self._who):
                ended = NotPresented(f"the device asks for something else than a password: {prompt!r}")
            else:
                shown = True
                return [password]
            raise ended  # in paramiko's thread, which ends

        try:
            return self.auth_interactive(username, answer)
        except paramiko.SSHException as problem:
            if ended is not None:
                raise ended from None
            if shown and isinstance(problem, paramiko.BadAuthenticationType):  # it takes no more answers
                raise paramiko.AuthenticationException(_REFUSED) from None
            raise


class _NoLine:
    """In place of a connection that netmiko makes itself."""

    sock = None

    def close(self):
        pass


class ScrapliAsyncAdapter(_Guarded, adapters.ScrapliAsyncAdapter):
    def __init__(self, host, port, device_type, credential):
        if isinstance(credential, GuardedCredentials):
            super().__init__(host, port, device_type, type(credential).__base__(credential.credential_id, credential.username, ""))
            self.credential, self.connection = credential, None
        else:
            super().__init__(host, port, device_type, credential)

    async def _open(self, attempt):
        failure, shown, asked, declined = None, False, False, None
        names = self._names()

        async def password():
            """Is asked for after the exchange of keys, when the device wants a password."""
            nonlocal failure, shown
            if shown:
                return None
            try:
                found = await self._present(attempt)
                shown = True
                if found.username != self.credential.username:  # which the device has been told
                    raise NotPresented(f"the username of credential {self.credential.credential_id} has just changed")
                return found.password.reveal()
            except BaseException as problem:
                failure = problem
                raise

        class Questions(asyncssh.SSHClient):
            """Answers prompts for the password alone."""

            def kbdint_auth_requested(self):
                nonlocal asked
                first, asked = not asked, True
                return "" if first else None

            async def kbdint_challenge_received(self, name, instructions, lang, prompts):
                nonlocal failure, declined
                if not prompts:
                    return []  # it only says something
                prompt = whole(name, instructions, prompts[0][0])
                if shown and not asks_again(prompt, *names):
                    failure = AskedMore(repr(prompt))
                elif not shown and (len(prompts) > 1 or not asks_password(prompt, *names)):
                    declined = NotPresented(f"the device asks for something else than a password: {prompt!r}")
                elif not shown:
                    return [await password()]
                return None

        driver = self._driver_class(
            host=self.host,
            port=self.port,
            auth_username=self.credential.username,
            auth_password="",
            transport="asyncssh",
            auth_strict_key=False,
            transport_options={"asyncssh": {"password": password, "client_factory": Questions}},
        )
        open_line = driver.transport.open

        async def open_and_report():
            await open_line()
            await self._accepted(attempt)  # no permit is needed while scrapli waits for the prompt

        driver.transport.open = open_and_report
        try:
            await driver.open()
        except BaseException as problem:
            with contextlib.suppress(Exception):
                accepted = driver.transport.session is not None
                await driver.close()
                if accepted:
                    await self._accepted(attempt)
            if isinstance(failure, Exception):
                raise failure from None
            if declined and not shown:
                raise declined from None
            if isinstance(problem, ScrapliAuthenticationFailed):
                # A device that wanted a code as well may have accepted the password.
                if isinstance(problem.__cause__, asyncssh.PermissionDenied) and shown and not declined:
                    raise _RefusedByDevice(str(problem)) from problem
                raise TransientException(f"{self.host}:{self.port} didn't answer the login: {problem}") from problem
            raise
        self.connection = driver

    async def close(self):
        if self.connection is not None:
            await super().close()


async def _readable(loop, line):
    """Waits until there is something to read, and leaves it there."""
    readable = loop.create_future()
    loop.add_reader(line, lambda: readable.done() or readable.set_result(None))
    try:
        await readable
    finally:
        loop.remove_reader(line)


def changed_libraries():
    """What isn't as it must be of netmiko and scrapli, for refusals to be told from other failures."""
    if not all(hasattr(netmiko.BaseConnection, name) for name in ("_open", "establish_connection", "_connect_params_dict")):
        yield "netmiko connects in another way"
    if "transport_factory" not in inspect.signature(paramiko.SSHClient.connect).parameters:
        yield "paramiko takes no transport_factory"
    if not issubclass(NetmikoAuthenticationException, Exception) or not issubclass(TransientException, TomException):
        yield "exceptions have other bases"
    if "transport_options" not in inspect.signature(adapters.scrapli_adapter.AsyncNetworkDriver.__init__).parameters:
        yield "scrapli takes no transport_options"
