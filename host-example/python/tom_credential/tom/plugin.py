"""Tom's credential plugin: it asks the agent. Nothing of it blocks the event loop."""

import asyncio
import logging
import sys

from tom_worker.credentials.credentials import SSHCredentials
from tom_worker.exceptions import AuthenticationException, PermanentException, TomException, TransientException
from tom_worker.Plugins.base import CredentialPlugin

from .. import agent
from ..error import Error, Reason
from . import settings

_CALL_TIMEOUT = 9.0  # seconds; the agent's own is one less, and the job's one more
_START_TIMEOUT = 30.0  # seconds for the first answer: the agent may have to be started

logger = logging.getLogger("tom_credential")


class GuardedCredentials(SSHCredentials):
    """Credentials whose password is handed out by the guard, and only when a device asks for it."""

    def __init__(self, credential_id, username, client):
        self.credential_id, self.username, self.client = credential_id, username, client

    @property
    def password(self):
        raise PermanentException(
            f"the password of credential {self.credential_id} was asked for outside the guard of logins: this version of Tom isn't known "
            "to tom_credential.tom; update the package tom-credential"
        )

    def __repr__(self):
        return f"GuardedCredentials({self.credential_id!r}, {self.username!r})"


def exception_of(problem):
    """The exception of Tom for an Error: its jobs repeat what is transient, and nothing else."""
    text = f"{problem} [{problem.reason}]"
    if problem.retry_delay:
        text += f"; try again after {problem.retry_delay:.0f} s"
    text = "\n".join((text, *problem.help))
    if problem.reason is Reason.CREDENTIAL_REJECTED:
        return AuthenticationException(text)
    if problem.reason.transient or problem.reason is Reason.CANCELLED:
        return TransientException(text)
    return PermanentException(text)


class AgentPlugin(CredentialPlugin):
    """Any provider, through an agent."""

    dependencies = []
    settings_class = None  # the agent reads them
    guarded = True

    def __init__(self, plugin_settings, main_settings):
        self._client = self._loop = None
        try:
            self._agent = agent.endpoint(environ=settings.for_agent(self.name), log=sys.stderr)
        except Error as problem:
            raise ValueError("\n".join((str(problem), *problem.help))) from None  # what Tom's main takes

    def _connected(self):
        """The client of the running event loop."""
        if self._client is None or self._loop is not asyncio.get_running_loop():
            self._client, self._loop = agent.AsyncClient(*self._agent), asyncio.get_running_loop()
        return self._client

    async def validate(self):
        """Raises what only an operator can put right. What is transient is logged: the worker starts, and jobs are tried."""
        try:
            checks = await self._connected().validate(timeout=_START_TIMEOUT)
        except Error as problem:
            if problem.metadata.get("action") == "validate":
                return  # the rules of an agent that is run by others, who see to its provider
            if not problem.reason.transient:
                raise exception_of(problem) from None
            logger.warning("the provider can't be checked: %s", problem)
            return
        failed = [check for check in checks if check.status == "failed"]
        text = "\n".join(f"{check.name}: {check.message}. {check.remedy}" for check in failed)
        if any(check.reason and check.reason in Reason.__members__ and not Reason(check.reason).transient for check in failed):
            raise TomException(f"the provider's checks have failed:\n{text}")
        if failed:
            logger.warning("the provider's checks have failed: %s", text)

    async def get_ssh_credentials(self, credential_id):
        client = self._connected()
        try:
            found = await client.get(credential_id, timeout=_CALL_TIMEOUT)
        except Error as problem:
            raise exception_of(problem) from None
        if found.password is None:
            raise PermanentException(f"credential {credential_id} has a key and no password: Tom's adapters log in with passwords")
        if self.guarded:
            return GuardedCredentials(credential_id, found.username, client)
        return SSHCredentials(credential_id=credential_id, username=found.username, password=found.password.reveal())

    async def list_credentials(self):
        try:
            return sorted(summary.id for summary in await self._connected().list(timeout=_CALL_TIMEOUT))
        except Error as problem:
            raise exception_of(problem) from None


def make(guarded):
    """A class that Tom can give a name."""
    return type("Plugin", (AgentPlugin,), {"guarded": guarded, "__doc__": AgentPlugin.__doc__})
