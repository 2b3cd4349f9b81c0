"""What the author of a provider imports. A complete provider:

    #!/usr/bin/env python3
    from tom_credential import provider

    class Settings...                                       # optional, see setting()

    class Mine(provider.Provider):
        name, version, description = "mine", "1.0.0", "reads device credentials from my database"

        def get(self, request):
            user, password = ...                            # with request.id
            return provider.Credential(user, password)

    provider.main(Mine)

The file is called tom-credential-mine and is executable. What go-plugin and the contract ask of it beyond that is done
by main: the handshake, mutual TLS, health, the end when the host is gone, the log, and the form of errors.

A method that fails raises Error with a Reason; its text must not hold a secret. What else it raises is INTERNAL to the
host, which hears the exception's type only, and its text is not logged either, since it may quote a secret. TimeoutError is
DEADLINE_EXCEEDED.

Log with provider.log, a logging.Logger whose lines reach the host's log; extra={"path": path} adds fields. Print nothing:
what is printed goes to the host's log as plain text. Never log a secret.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read when grpc is imported: its lines are not in the log's form
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # a provider may start programs; it doesn't fork

from .credential import Credential, Request, Summary  # noqa: E402
from .error import Error, Reason  # noqa: E402
from .log import log  # noqa: E402
from .secret import Secret  # noqa: E402
from .serve import main  # noqa: E402
from .service import CheckWarning, attempt, time_left  # noqa: E402
from .settings import setting  # noqa: E402

__all__ = ["CheckWarning", "Credential", "Error", "Provider", "Reason", "Request", "Secret", "Summary"]
__all__ += ["attempt", "log", "main", "setting", "time_left"]


class Provider:
    """Reads credentials from a backend. Its methods are called in threads, several at the same time.

    A call has a deadline, time_left() seconds away: use that as the timeout of whatever may block. After it the host gets
    DEADLINE_EXCEEDED, and the method's result is thrown away.

    These methods are optional, and having them is what advertises the capability:

        def list(self):                   LIST: all ids, each a str or a Summary, in any order
        def get_batch(self, requests):    BATCH: a list with a Credential or an Error for each request, in their order, with
                                          one or a few calls to the backend for all. attempt(read, ...) returns what
                                          read returns, or the Error that it raises
        def check_<name>(self):           one thing to look at when the host validates: returns what was found, for display;
                                          raises Error, with help, if credentials can't be read like this, CheckWarning if
                                          they can. All checks run at the same time, each for at most 10 s.
        def close(self):                  called at an orderly end; it has a second
    """

    #: The provider's name, [a-z][a-z0-9_]*; its file is called tom-credential-<name>.
    name = ""
    #: The provider's own version.
    version = ""
    #: One line: what the provider reads from.
    description = ""
    #: The dataclass of its settings, if it takes any.
    Settings = None
    #: VERSION: get and get_batch honour Request.version_id and Request.version_label.
    reads_versions = False
    #: The version_label of the version before the current one, if there is one and versions are read: "previous".
    previous_version_label = ""

    def __init__(self, settings):
        """Takes settings that fit Settings, or raises Error(Reason.SETTINGS_INVALID, ...). It uses no network."""
        self.settings = settings

    def get(self, request):
        """Reads one credential, the one with request.id, as it is stored, never from a cache.

        An id that doesn't exist is CREDENTIAL_NOT_FOUND, one that the backend can't have CREDENTIAL_ID_INVALID, something
        that isn't a credential CREDENTIAL_MALFORMED. Ids that no backend can have, and versions if they aren't read, never
        come here.
        """
        raise NotImplementedError
