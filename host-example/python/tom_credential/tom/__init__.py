"""Tom's worker (tom_worker) with the credential providers of this project. No file of Tom is changed:

    python -m tom_credential.tom          in place of  python -m tom_worker.main

or, before anything of tom_worker is imported, in a program of your own:

    import tom_credential.tom.installed

Any provider is selected by credential_plugin, as Tom's own plugins are; its settings, and those of store and guard, are in the
environment or in the YAML file, as host-example takes them. Provider, cache and guard are those of an agent: the one at
TOM_AGENT_SOCKET, or one that is started for this worker, from host-example on PATH or at TOM_AGENT_PROGRAM.

Logins with stored credentials go through the guard, for netmiko and scrapli: after a rotation no account is locked. Its ledger
is in the Redis that the workers share, unless login_guard says "memory". With "off" Tom's adapters log in by themselves.

Credentials that a job brings along (inlineSSH) pass by provider, cache and guard.
"""

from .install import install

__all__ = ["install"]
