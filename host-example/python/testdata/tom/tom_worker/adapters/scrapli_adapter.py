"""Logs in with scrapli, on the event loop."""

from scrapli.driver import AsyncNetworkDriver
from scrapli.driver.core import AsyncEOSDriver, AsyncIOSXEDriver
from scrapli.exceptions import ScrapliAuthenticationFailed

from tom_worker.credentials.credentials import SSHCredentials
from tom_worker.exceptions import AuthenticationException, TomException

valid_async_drivers = {"cisco_iosxe": AsyncIOSXEDriver, "arista_eos": AsyncEOSDriver}


class ScrapliAsyncAdapter:
    def __init__(self, host: str, port: int, device_type: str, credential: SSHCredentials):
        self.host = host
        self.port = port
        self.device_type = device_type
        self.credential = credential
        if device_type not in valid_async_drivers:
            raise TomException(f"Device type {device_type} not supported")
        self._driver_class = valid_async_drivers[device_type]
        self.connection: AsyncNetworkDriver | None = self._driver_class(
            host=self.host,
            port=self.port,
            auth_username=self.credential.username,
            auth_password=self.credential.password,
            transport="asyncssh",
            auth_strict_key=False,
        )

    async def connect(self):
        if self.connection is not None:
            try:
                await self.connection.open()
            except ScrapliAuthenticationFailed as e:
                raise AuthenticationException(f"Authentication failed for {self.host}:{self.port} - {e}") from e

    async def close(self):
        if self.connection.isalive():
            await self.connection.close()
            self.connection = None

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

    async def send_commands(self, commands):
        if self.connection is None:
            raise TomException("Connection not initialized")
        return {command: (await self.connection.send_command(command)).result for command in commands}
