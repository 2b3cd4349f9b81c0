"""Logs in with netmiko, in asyncio's threads."""

import asyncio

from netmiko import ConnectHandler
from netmiko.exceptions import NetmikoAuthenticationException

from tom_worker.credentials.credentials import SSHCredentials
from tom_worker.exceptions import AuthenticationException, TomException


class NetmikoAdapter:
    def __init__(self, host: str, port: int, device_type: str, credential: SSHCredentials):
        self.host = host
        self.port = port
        self.device_type = device_type
        self.credential = credential
        self.connection = None

    def _connect(self):
        try:
            self.connection = ConnectHandler(
                host=self.host,
                username=self.credential.username,
                password=self.credential.password,
                device_type=self.device_type,
                port=self.port,
            )
        except NetmikoAuthenticationException as e:
            raise AuthenticationException(f"Authentication failed for {self.host}:{self.port} - {e}") from e

    async def connect(self):
        return await asyncio.to_thread(self._connect)

    def _close(self):
        if self.connection is not None:
            self.connection.disconnect()
            self.connection = None

    async def close(self):
        return await asyncio.to_thread(self._close)

    async def __aenter__(self):
        await self.connect()
        return self

    async def __aexit__(self, exc_type, exc_val, exc_tb) -> bool:
        await self.close()
        return False

    @classmethod
    async def from_model(cls, model, credential_store):
        if model.credential.type == "stored":
            credential = await credential_store.get_ssh_credentials(model.credential.credential_id)
        else:
            credential = SSHCredentials("inline", model.credential.username, model.credential.password)
        return cls(host=model.host, device_type=model.device_type, credential=credential, port=model.port)

    def _send_commands(self, commands):
        if self.connection is None:
            raise TomException("Connection not initialized")
        return {command: self.connection.send_command(command).strip() for command in commands}

    async def send_commands(self, commands):
        return await asyncio.to_thread(self._send_commands, commands=commands)
