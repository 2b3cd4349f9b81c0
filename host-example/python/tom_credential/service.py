"""The calls of the contract, on behalf of one provider. All of it runs in threads; serve.py is what surrounds it."""

import base64
import binascii
import bisect
import concurrent.futures
import contextvars
import hashlib
import threading
import time
import unicodedata

from . import wire
from .credential import MAX_BATCH, MAX_ID_BYTES, PRIVATE_KEY, Check, Credential, Summary
from .error import Error, Reason
from .log import log, stack
from .settings import Form

_DEFAULT_PAGE, _MAX_PAGE = 100, 1000
_CHECK_TIME = 10.0  # seconds

# One call's deadline, by time.monotonic, and whether its caller has given it up.
deadline = contextvars.ContextVar("deadline", default=None)
cancelled = contextvars.ContextVar("cancelled", default=None)


def time_left():
    """How long the present call may take, in seconds; 0 when its time is up or its caller has given it up."""
    if cancelled.get() is not None and cancelled.get().is_set():
        return 0.0
    return 15.0 if deadline.get() is None else max(0.0, deadline.get() - time.monotonic())


class CheckWarning(Error):
    """Raised by a check: credentials can be read as far as it knows, but the operator should look at it."""


class Service:
    def __init__(self, kind, pool):
        """kind is the provider's class. Errors are the author's mistakes."""
        self._kind, self.pool = kind, pool
        self._form = Form(kind.Settings)
        self._checks = [name for base in reversed(kind.__mro__) for name in vars(base) if name.startswith("check_")]
        self._configuring = threading.Lock()
        self._provider = None

    def GetMetadata(self, _):
        abilities = {"LIST": self._can("list"), "BATCH": self._can("get_batch"), "VERSION": self._kind.reads_versions}
        return wire.v1.GetMetadataResponse(
            name=self._kind.name,
            version=self._kind.version,
            description=self._kind.description,
            capabilities=[name for name, able in abilities.items() if able],
            settings_schema=self._form.schema,
            previous_version_label=self._kind.previous_version_label if self._kind.reads_versions else "",
        )

    def Configure(self, message):
        with self._configuring:
            if self._provider is not None:
                raise Error(Reason.ALREADY_CONFIGURED, f"provider {self._kind.name} has its settings; new ones need a new process")
            self._provider = self._kind(self._form.decode(wire.settings_from_struct(message.settings)))
        return wire.v1.ConfigureResponse()

    def Validate(self, message):
        provider = self._configured()
        jobs = {name.removeprefix("check_"): getattr(provider, name) for name in dict.fromkeys(self._checks)}
        if message.HasField("credential_id"):
            request = wire.request_from_proto(wire.v1.GetCredentialRequest(credential_id=message.credential_id))
            _check_id(request.id)
            jobs.setdefault("read", lambda: self._read(request) and f"credential {request.id!r} can be read")
        started = {name: self.pool.submit(contextvars.copy_context().run, job) for name, job in jobs.items()}
        end = time.monotonic() + min(_CHECK_TIME, time_left())
        checks = [_outcome(name, future, end) for name, future in started.items()]
        return wire.v1.ValidateResponse(checks=map(wire.check_to_proto, checks))

    def GetCredential(self, message):
        self._configured()
        self._check_request(message)
        return wire.v1.GetCredentialResponse(credential=wire.credential_to_proto(self._read(wire.request_from_proto(message))))

    def BatchGetCredentials(self, message):
        provider = self._able("get_batch", "BatchGetCredentials")
        if not 1 <= len(message.requests) <= MAX_BATCH:
            raise Error(Reason.REQUEST_INVALID, f"a batch of {len(message.requests)} credentials; ask for 1 to {MAX_BATCH}")
        results = [attempt(self._check_request, single) for single in message.requests]
        # Only what could be answered reaches the provider.
        places = [i for i, refusal in enumerate(results) if refusal is None]
        requests = [wire.request_from_proto(message.requests[i]) for i in places]
        answers = provider.get_batch(requests) if requests else []
        if len(answers) != len(requests):
            raise Error(Reason.INTERNAL, f"provider {self._kind.name} gave {len(answers)} answers to {len(requests)} requests")
        for i, request, answer in zip(places, requests, answers, strict=True):
            results[i] = attempt(self._checked, request, answer)
            log_failure("read", request.id, results[i])
        return wire.v1.BatchGetCredentialsResponse(results=map(wire.result_to_proto, results))

    def ListCredentials(self, message):
        provider = self._able("list", "ListCredentials")
        if message.page_size < 0:
            raise Error(Reason.REQUEST_INVALID, f"page size {message.page_size} is negative")
        size = min(message.page_size or _DEFAULT_PAGE, _MAX_PAGE)
        after = _open_token(message.page_token) if message.page_token else None
        summaries = {}
        for item in provider.list():
            summary = item if isinstance(item, Summary) else Summary(item)
            refusal = attempt(_check_id, summary.id)
            if refusal is None:
                summaries.setdefault(summary.id, summary)
            else:  # an id that no host can ask for must not hide the others
                log.warning("left out of a listing", extra={"because": str(refusal)})
        ids = sorted(summaries)
        if after is not None:
            ids = ids[bisect.bisect_right(ids, after) :]
        page = ids[:size]
        return wire.v1.ListCredentialsResponse(
            credentials=[wire.summary_to_proto(summaries[id]) for id in page],
            next_page_token=_seal_token(page[-1]) if len(ids) > size else "",
        )

    def close(self):
        if self._provider is not None and self._can("close"):
            self._provider.close()

    def _can(self, method):
        return callable(getattr(self._kind, method, None))

    def _configured(self):
        if self._provider is None:
            raise Error(Reason.NOT_CONFIGURED, f"provider {self._kind.name} has no settings yet; call Configure first")
        return self._provider

    def _able(self, method, what):
        if not self._can(method):
            raise Error(Reason.UNSUPPORTED, f"provider {self._kind.name} doesn't support {what}")
        return self._configured()

    def _check_request(self, message):
        if message.WhichOneof("version") and not self._kind.reads_versions:
            raise Error(Reason.UNSUPPORTED, f"provider {self._kind.name} reads current versions only")
        _check_id(message.credential_id)

    def _read(self, request):
        return self._checked(request, self._provider.get(request))

    def _checked(self, request, answer):
        """Keeps from the host what the contract forbids. What is wrong is said, the values are not."""
        if isinstance(answer, Error):
            raise answer
        problem = _defect(answer)
        if problem:
            raise Error(Reason.INTERNAL, f"credential {request.id!r} as provider {self._kind.name} made it is forbidden: {problem}")
        answer.credential_id = request.id
        return answer


def _defect(c):
    if not isinstance(c, Credential):
        return f"it is a {type(c).__name__}"
    password = c.password.reveal() if c.password is not None else ""
    texts = [c.username, password, c.version_id, *c.extra, *(value.reveal() for value in c.extra.values())]
    if not all(isinstance(text, str) for text in texts):
        return "a string in it isn't a str"
    if not c.username:
        return "the username is empty"
    if c.password is None and not c.extra.get(PRIVATE_KEY):
        return "neither a password nor a private_key"
    if any(character in text for text in (c.username, password) for character in "\0\r\n"):
        return "the username or the password holds NUL, CR or LF"
    if any(not _encodes(text) for text in texts):
        return "it isn't valid Unicode"
    return ""


def _encodes(text):
    try:
        return text.encode() is not None
    except UnicodeEncodeError:
        return False


def _check_id(id):
    def refuse(problem, text):
        raise Error(Reason.CREDENTIAL_ID_INVALID, text, metadata={"problem": problem})

    if not id:
        refuse("empty", "the credential id is empty")
    if not _encodes(id) or any(unicodedata.category(character) == "Cc" for character in id):
        refuse("control characters", f"the credential id {ascii(id)} holds control characters")
    if len(id.encode()) > MAX_ID_BYTES:
        refuse("too long", f"the credential id has {len(id.encode())} bytes; at most {MAX_ID_BYTES} are allowed")


def attempt(do, *args):
    """What do returns, or the Error that it raises."""
    try:
        return do(*args)
    except BaseException as problem:  # SystemExit too: one call never ends the process that serves the others
        return as_error(problem)


def as_error(problem):
    """The contract's form of an exception. Unknown ones leave type and stack in the log."""
    if isinstance(problem, Error) and problem.reason.from_provider:
        return problem
    if isinstance(problem, TimeoutError):
        return Error(Reason.DEADLINE_EXCEEDED, "the time was up before the backend answered")
    kind = type(problem).__name__
    log.error("exception in a call", extra={"type": kind, "stack": stack(problem.__traceback__)})
    return Error(Reason.INTERNAL, f"the provider failed in a way that it has no reason for ({kind}); its log has the stack")


def log_failure(what, id, outcome):
    """Leaves a trace of a failed call: what the host is told, and no more."""
    if isinstance(outcome, Error):
        level = log.error if outcome.reason is Reason.INTERNAL else log.debug
        level("%s failed", what, extra={"credential_id": id, "reason": outcome.reason.value, "error": str(outcome)})


def _outcome(name, future, end):
    """One check's answer, waited for until end."""
    try:
        return Check(name, "passed", str(future.result(max(0.0, end - time.monotonic())) or ""))
    except concurrent.futures.TimeoutError:
        problem = Error(Reason.DEADLINE_EXCEEDED, "it was not finished in time", help="see whether the backend answers")
    except Exception as other:
        problem = as_error(other)
    status = "warning" if isinstance(problem, CheckWarning) else "failed"
    remedy = "\n".join(problem.help) or "correct what the message says and validate again"
    return Check(name, status, problem.message, remedy, problem.reason)


# A page token names the last id of the page before, with a sum by which one that was made up is known.


def _seal_token(id):
    return base64.urlsafe_b64encode(_sum(id) + id.encode()).decode()


def _open_token(token):
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        id = raw[8:].decode()
        # The decoder takes padding that isn't needed: what has it is another token than the one that was returned.
        if len(raw) > 8 and raw[:8] == _sum(id) and _seal_token(id) == token:
            return id
    except (binascii.Error, ValueError):
        pass
    raise Error(Reason.PAGE_TOKEN_INVALID, "the page token is not one that a listing has returned", help="list again from the first page")


def _sum(id):
    return hashlib.sha256(b"page v1\0" + id.encode()).digest()[:8]
