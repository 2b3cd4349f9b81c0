"""SSH devices in this process, which remember the passwords that they were shown. They stand on asyncssh, and run in a thread."""

import asyncio
import logging
import socket
import threading

import asyncssh
import paramiko

PROMPT = "device#"


class Devices:
    """The thread of some devices. Use it in a with statement."""

    def __enter__(self):
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of clients that have gone
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="devices", daemon=True)
        self._thread.start()
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._servers, self._listeners = [], []
        return self

    def __exit__(self, *_):
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

        async def close():
            for server in self._servers:
                server.close()
            current = asyncio.current_task()
            for task in asyncio.all_tasks():
                if task is not current:
                    task.cancel()

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def start(self, password, *, username="admin"):
        """A device that accepts one login."""
        return self.add(Device(username, password))

    def add(self, device):
        """Has the device listen at a port."""
        device.port = self._listen(
            asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=lambda: _Login(device),
                process_factory=lambda process: _terminal(process, device),
                server_host_keys=[self._key],
                line_editor=False,
                login_timeout=60,
            )
        )
        return device

    def start_partial(self, password):
        """A device that accepts a password, and asks for a code in a separate step then."""
        device, key = Device("admin", password), paramiko.RSAKey.generate(2048)
        listener = socket.create_server(("127.0.0.1", 0))
        device.port = listener.getsockname()[1]

        def serve():
            while True:
                try:
                    transport = paramiko.Transport(listener.accept()[0])
                except OSError:
                    return  # the listener has been closed
                transport.add_server_key(key)
                transport.start_server(threading.Event(), _Partial(device))

        threading.Thread(target=serve, name="partial", daemon=True).start()
        self._listeners.append(listener)
        return device

    def start_silent(self):
        """A device that takes connections, and says nothing. Returns its port."""
        return self._listen(self.loop.create_server(asyncio.Protocol, "127.0.0.1", 0))

    def _listen(self, listening):
        async def start():
            server = await listening
            self._servers.append(server)
            return server.sockets[0].getsockname()[1]

        return asyncio.run_coroutine_threadsafe(start(), self.loop).result(30)


class Device:
    """What a device accepts, and what it has seen. Attributes may be set at any time."""

    def __init__(self, username, password):
        self.username, self.password = username, password
        self.delay = 0.0  # seconds until it answers a password
        self.hangs_up = False  # instead of saying no, or yes
        self.questions = []  # it asks these, one by one, instead of taking a password: the first is for the password
        self.again = False  # it asks for a password that is wrong once more
        self.held = False  # commands print nothing for now
        self.slow = False  # there is no prompt for now
        self.wrong, self.accepted, self.open = 0, 0, 0
        self.other = 0  # answers to other questions than that for the password

    async def validate(self, username, password, connection):
        """Whether the device accepts the login, after a while."""
        await asyncio.sleep(self.delay)
        if self.hangs_up:
            connection.abort()
            return False
        if (username, password) == (self.username, self.password):
            self.accepted += 1
            return True
        self.wrong += 1
        return False

    def answer(self, line):
        """What a command prints."""
        return f"output of {line}"


class _Login(asyncssh.SSHServer):
    def __init__(self, device):
        self._device = device

    def connection_made(self, connection):
        self._connection = connection
        self._device.open += 1

    def connection_lost(self, problem):
        self._device.open -= 1

    def password_auth_supported(self):
        return not self._device.questions

    def kbdint_auth_supported(self):
        self._connection._next_service = b"ssh-userauth"  # which paramiko asks for once more, and devices allow
        return bool(self._device.questions)

    def get_kbdint_challenge(self, username, lang, submethods):
        self._left = list(self._device.questions)
        self._username = username
        return "", "", "", [(self._left[0], False)]

    async def validate_kbdint_response(self, username, responses):
        if len(self._left) < len(self._device.questions):
            self._device.other += 1
            return False
        del self._left[0]
        right = await self.validate_password(username, responses[0])
        if self._left:
            return "", "", "", [(self._left[0], True)]
        return ("", "", "", [("Password: ", False)]) if self._device.again and not right else right

    async def validate_password(self, username, password):
        return await self._device.validate(username, password, self._connection)


class _Partial(paramiko.ServerInterface):
    def __init__(self, device):
        self._device, self._method = device, "password"

    def get_allowed_auths(self, username):
        return self._method

    def check_auth_password(self, username, password):
        self._device.accepted += 1
        self._method = "keyboard-interactive"
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL

    def check_auth_interactive(self, username, submethods):
        return paramiko.InteractiveQuery("", "", ("Verification code: ", True))

    def check_auth_interactive_response(self, responses):
        self._device.other += 1
        return paramiko.AUTH_FAILED


async def _terminal(process, device):
    """Echoes, and answers each command with a line."""
    while device.slow:
        await asyncio.sleep(0.02)
    process.stdout.write(f"\r\n{PROMPT}")
    line = ""
    while not process.stdin.at_eof():
        for character in await process.stdin.read(1024):
            if character not in "\r\n":
                line += character
                process.stdout.write(character)
            elif character == "\n" or line or process.command is None:
                answer = f"{device.answer(line)}\r\n" if line.startswith("show") else ""
                while device.held and answer:
                    await asyncio.sleep(0.02)
                process.stdout.write(f"\r\n{answer}{PROMPT}")
                if line == "exit":
                    process.exit(0)
                    return
                line = ""
    process.exit(0)
