"""Error and Reason: why a call failed. The contract, credential_provider.proto, says what each reason means."""

import enum

from grpc import StatusCode


class Reason(enum.StrEnum):
    """Why a call failed; decide by it, never by an error's text. code is the gRPC status code that belongs to it."""

    CREDENTIAL_NOT_FOUND = "CREDENTIAL_NOT_FOUND", StatusCode.NOT_FOUND
    VERSION_NOT_FOUND = "VERSION_NOT_FOUND", StatusCode.NOT_FOUND
    CREDENTIAL_DELETED = "CREDENTIAL_DELETED", StatusCode.NOT_FOUND
    CREDENTIAL_MALFORMED = "CREDENTIAL_MALFORMED", StatusCode.FAILED_PRECONDITION
    DECRYPTION_FAILED = "DECRYPTION_FAILED", StatusCode.FAILED_PRECONDITION
    ACCESS_DENIED = "ACCESS_DENIED", StatusCode.PERMISSION_DENIED
    CREDENTIAL_ID_INVALID = "CREDENTIAL_ID_INVALID", StatusCode.INVALID_ARGUMENT
    SETTINGS_INVALID = "SETTINGS_INVALID", StatusCode.INVALID_ARGUMENT
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID", StatusCode.INVALID_ARGUMENT
    REQUEST_INVALID = "REQUEST_INVALID", StatusCode.INVALID_ARGUMENT
    NOT_CONFIGURED = "NOT_CONFIGURED", StatusCode.FAILED_PRECONDITION
    ALREADY_CONFIGURED = "ALREADY_CONFIGURED", StatusCode.FAILED_PRECONDITION
    BACKEND_UNAUTHENTICATED = "BACKEND_UNAUTHENTICATED", StatusCode.UNAUTHENTICATED
    BACKEND_MISCONFIGURED = "BACKEND_MISCONFIGURED", StatusCode.FAILED_PRECONDITION
    THROTTLED = "THROTTLED", StatusCode.RESOURCE_EXHAUSTED
    BACKEND_UNAVAILABLE = "BACKEND_UNAVAILABLE", StatusCode.UNAVAILABLE
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED", StatusCode.DEADLINE_EXCEEDED
    CANCELLED = "CANCELLED", StatusCode.CANCELLED
    UNSUPPORTED = "UNSUPPORTED", StatusCode.UNIMPLEMENTED
    INTERNAL = "INTERNAL", StatusCode.INTERNAL

    # Those that only a host gives.
    PROVIDER_NOT_FOUND = "PROVIDER_NOT_FOUND", StatusCode.FAILED_PRECONDITION
    PROVIDER_REFUSED = "PROVIDER_REFUSED", StatusCode.FAILED_PRECONDITION
    PROVIDER_START_FAILED = "PROVIDER_START_FAILED", StatusCode.FAILED_PRECONDITION
    PROVIDER_INCOMPATIBLE = "PROVIDER_INCOMPATIBLE", StatusCode.FAILED_PRECONDITION
    PROVIDER_CRASHED = "PROVIDER_CRASHED", StatusCode.UNAVAILABLE
    PROVIDER_UNRESPONSIVE = "PROVIDER_UNRESPONSIVE", StatusCode.UNAVAILABLE
    PROVIDER_MISBEHAVED = "PROVIDER_MISBEHAVED", StatusCode.INTERNAL
    CREDENTIAL_REJECTED = "CREDENTIAL_REJECTED", StatusCode.FAILED_PRECONDITION

    def __new__(cls, name, code):
        reason = str.__new__(cls, name)
        reason._value_ = name
        reason.code = code
        return reason

    @property
    def from_provider(self):
        """Reports whether a provider may send it."""
        return not self.value.startswith("PROVIDER_") and self is not Reason.CREDENTIAL_REJECTED

    @property
    def transient(self):
        """Reports whether the same call may succeed later without any change."""
        return self in _TRANSIENT


_TRANSIENT = {
    Reason.THROTTLED,
    Reason.BACKEND_UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED,
    Reason.PROVIDER_CRASHED,
    Reason.PROVIDER_UNRESPONSIVE,
}


class Error(Exception):
    """A failed call. None of it may hold a secret, not even in part.

    reason       a Reason
    message      names the thing and what happened to it
    help         what to do about it: a string or several, in a form that can be pasted where possible
    metadata     what a program may want of the message: field, problem, action, resource, stage
    retry_delay  seconds after which trying again may help; 0 if nothing is known
    violations   with SETTINGS_INVALID: what is wrong, by setting; never a secret setting's value
    """

    def __init__(self, reason, message, *, help=(), metadata=None, retry_delay=0.0, violations=None):
        super().__init__(reason, message)
        self.reason = Reason(reason)
        self.message = message
        self.help = (help,) if isinstance(help, str) else tuple(help)
        self.metadata = {name: str(value) for name, value in (metadata or {}).items() if value}
        self.retry_delay = max(0.0, retry_delay)
        self.violations = dict(violations or {})

    @property
    def code(self):
        """The gRPC status code."""
        return self.reason.code

    def __str__(self):
        problems = "; ".join(f"{setting}: {problem}" for setting, problem in self.violations.items())
        return f"{self.message}: {problems}" if problems else self.message
