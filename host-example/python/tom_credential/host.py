"""Launches a credential provider, in whatever language it is written, and reads credentials from it.

    from tom_credential import host

    with host.start("aws_secrets_manager", settings={"region": "us-east-1"}) as provider:
        found = provider.get("lab_creds")
        login(found.username, found.password.reveal())

Whatever fails raises Error, with a Reason to decide by: provider.get may raise CREDENTIAL_NOT_FOUND, or PROVIDER_CRASHED
when the process is gone. A Provider is one process: when that is gone, start another. It keeps no copy of a credential. Its
methods may be called by many threads at the same time.

The provider's log lines go to the logger "tom_credential", at its level.

A process that was made with fork can't use its parent's Provider, as gRPC can't; with multiprocessing, use "spawn".
"""

import contextlib
import json
import logging
import os
import threading
import time

import grpc

from . import launch, wire
from .credential import MAX_BATCH, PRIVATE_KEY, Check, Credential, Request, Summary
from .error import Error, Reason
from .process import Process
from .secret import Secret

__all__ = ["Check", "Credential", "Error", "Provider", "Reason", "Request", "Secret", "Summary", "start"]

_LOCALHOST = "localhost"  # the name in every certificate
_SHUTDOWN_TIME, _END_TIME = 1.0, 2.0  # seconds for the answer to Shutdown, and from there to the end

_NOT_STARTED = {Reason.PROVIDER_CRASHED, Reason.DEADLINE_EXCEEDED}  # during a start these are PROVIDER_START_FAILED


def start(
    name,
    *,
    settings=None,
    path=None,
    dirs=launch.DEFAULT_DIRS,
    environ=None,
    pass_env=None,
    start_timeout=10.0,
    call_timeout=15.0,
    logger=None,
):
    """Launches a provider, hands over its settings, and returns a Provider that is ready. After an error nothing is left.

    name           the provider's, [a-z][a-z0-9_]*, such as "aws_secrets_manager"
    settings       its settings, by name, without a prefix: str, bool, int, float or list of str; None is "not set"
    path           its executable; None: the first of dirs that has a file tom-credential-<name>
    environ        where its environment comes from; None: os.environ
    pass_env       which variables it gets besides a base set: names, or patterns with a * at the end; None: those that start
                   with the first word of its name, AWS_* for aws_secrets_manager
    start_timeout  seconds until it is ready
    call_timeout   seconds for a call without a timeout
    """
    end = time.monotonic() + start_timeout
    found = launch.check(os.path.abspath(path or launch.find(name, dirs)))
    environ = os.environ if environ is None else environ
    process = Process(name, found, environ, pass_env, logger or logging.getLogger("tom_credential"))
    provider = Provider(name, process, call_timeout)
    try:
        provider._connect(settings or {}, end)
    except BaseException as problem:
        provider.close()
        if isinstance(problem, Error) and problem.reason in _NOT_STARTED:
            problem.reason = Reason.PROVIDER_START_FAILED
        if isinstance(problem, Error) and problem.reason is not Reason.SETTINGS_INVALID:
            problem.message = f"provider {name} ({found}): {problem.message}"
        raise
    return provider


class Provider:
    """A provider that is running; start makes it. close it, or use it in a with statement."""

    def __init__(self, name, process, call_timeout):
        self._name, self._process, self._call_timeout = name, process, call_timeout
        self._closing = threading.Lock()
        self._closed = False
        self._channel = None
        self.version = self.description = ""
        #: What it can do beyond get and validate: LIST, BATCH, VERSION, or what this host doesn't know.
        self.capabilities = frozenset()
        #: The version_label of the version before the current one; empty if it has none.
        self.previous_version_label = ""
        #: The JSON Schema of its settings; empty if it takes none.
        self.settings_schema = ""

    def get(self, id, *, version_id="", version_label="", timeout=None):
        """Reads one credential, the current version of it unless one is named. timeout is in seconds, here as everywhere."""
        request = Request(id, version_id, version_label)
        answer = self._call("GetCredential", wire.request_to_proto(request), timeout)
        return self._take(request, wire.credential_from_proto(answer.credential))

    def get_batch(self, ids, *, timeout=None):
        """Reads many credentials: for each id a Credential, or the Error that get would have raised, in their order.

        A provider without the capability BATCH is asked for one after the other; the timeout is for each then.
        """
        if "BATCH" not in self.capabilities:
            return [self._attempt(id, timeout) for id in ids]
        requests, results = [Request(id) for id in ids], []
        for i in range(0, len(requests), MAX_BATCH):
            part = requests[i : i + MAX_BATCH]
            message = wire.v1.BatchGetCredentialsRequest(requests=map(wire.request_to_proto, part))
            answer = self._call("BatchGetCredentials", message, timeout)
            if len(answer.results) != len(part):
                raise wire.misbehaved(f"it gave {len(answer.results)} results to {len(part)} requests")
            for request, item in zip(part, answer.results, strict=True):
                result = wire.result_from_proto(item)
                results.append(result if isinstance(result, Error) else self._take(request, result))
        return results

    def _attempt(self, id, timeout):
        try:
            return self.get(id, timeout=timeout)
        except Error as problem:
            if not problem.reason.from_provider:
                raise  # the others would fail in the same way
            return problem

    def list(self, *, timeout=None):
        """Yields a Summary of each credential; the timeout is for each page."""
        token, seen = "", set()
        while token not in seen:
            seen.add(token)
            page = self._call("ListCredentials", wire.v1.ListCredentialsRequest(page_token=token), timeout)
            yield from map(wire.summary_from_proto, page.credentials)
            token = page.next_page_token
            if not token:
                return
        raise wire.misbehaved("its listing goes round")

    def validate(self, id=None, *, timeout=None):
        """Lets the provider check its backend, and read the credential id if one is given: a list of Checks."""
        answer = self._call("Validate", wire.v1.ValidateRequest(credential_id=id), timeout)
        return [wire.check_from_proto(check) for check in answer.checks]

    def healthy(self, *, timeout=1.0):
        """Reports whether the process answers a health check."""
        try:
            return self._check_health(timeout)
        except Error:
            return False

    def close(self):
        """Ends the provider, by force if need be, in bounded time. Calls that are under way fail. It may be called twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            patience = 0.0
            if self._channel is not None:
                with contextlib.suppress(Error):
                    self._invoke(wire.CONTROLLER, "Shutdown", wire.Empty(), _SHUTDOWN_TIME)
                    patience = _END_TIME
                self._channel.close()
            self._process.end(patience)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<provider {self._name} {self.version}>"

    def _connect(self, settings, end):
        def left():
            return max(0.0, end - time.monotonic())

        target, certificate = self._process.handshake(left())
        # The provider's certificate is the only root: no other process can answer.
        credentials = grpc.ssl_channel_credentials(certificate, self._process.key, self._process.certificate)
        options = {
            "grpc.ssl_target_name_override": _LOCALHOST,
            "grpc.default_authority": _LOCALHOST,
            "grpc.max_receive_message_length": wire.MAX_MESSAGE,
            "grpc.max_send_message_length": wire.MAX_MESSAGE,
            # Errors come in headers, and gRPC for Python refuses those of more than 8 KiB by chance.
            "grpc.max_metadata_size": 64 << 10,
            "grpc.absolute_max_metadata_size": 64 << 10,
            "grpc.enable_http_proxy": 0,
            "grpc.enable_retries": 0,
            "grpc.use_local_subchannel_pool": 1,
        }
        self._channel = grpc.secure_channel(target, credentials, list(options.items()))
        self._methods = {
            (service, name): self._channel.unary_unary(f"/{service}/{name}", request.SerializeToString, response.FromString)
            for service in (wire.PROVIDER, wire.HEALTH, wire.CONTROLLER)
            for name, request, response in wire.methods(service)
        }
        if not self._check_health(left()):
            raise Error(Reason.PROVIDER_START_FAILED, "it is not healthy")
        self._drain()
        metadata = self._invoke(wire.PROVIDER, "GetMetadata", wire.v1.GetMetadataRequest(), left())
        if metadata.name != self._name:
            raise Error(Reason.PROVIDER_INCOMPATIBLE, f"it says that its name is {metadata.name!r}", help="both names must agree")
        self.version, self.description, self.settings_schema = metadata.version, metadata.description, metadata.settings_schema
        self.capabilities = frozenset(metadata.capabilities)
        self.previous_version_label = metadata.previous_version_label
        for name in _secret_settings(self.settings_schema):
            if isinstance(settings.get(name), str):
                self._process.log.keep(settings[name])
        message = wire.v1.ConfigureRequest()
        try:
            message.settings.update({name: value for name, value in settings.items() if value is not None})
        except (TypeError, ValueError):  # whose text may quote a value
            raise Error(Reason.SETTINGS_INVALID, "a setting must be a str, bool, int, float or list of str") from None
        self._invoke(wire.PROVIDER, "Configure", message, left())

    def _drain(self):
        """Reads what a provider built on go-plugin prints, to nowhere: it would be blocked otherwise."""
        stream = self._channel.unary_stream(f"/{wire.STDIO}/StreamStdio")(b"")

        def drain():
            with contextlib.suppress(grpc.RpcError):
                for _ in stream:
                    pass

        threading.Thread(target=drain, name="provider's output", daemon=True).start()

    def _check_health(self, timeout):
        answer = self._invoke(wire.HEALTH, "Check", wire.health.HealthCheckRequest(service=wire.HEALTH_SERVICE), timeout)
        return answer.status == wire.health.HealthCheckResponse.SERVING

    def _call(self, method, message, timeout):
        return self._invoke(wire.PROVIDER, method, message, self._call_timeout if timeout is None else timeout)

    def _invoke(self, service, method, message, timeout):
        try:
            return self._methods[service, method](message, timeout=timeout)
        except grpc.RpcError as failure:
            problem = self._explain(failure)
        except ValueError:  # what gRPC says of a channel that is closed
            problem = Error(Reason.CANCELLED, f"provider {self._name} has been closed")
        raise problem from None  # gRPC's own error shows its headers

    def _explain(self, failure):
        """The contract's form of a failed call."""
        for key, value in failure.trailing_metadata() or ():
            if key == wire.DETAILS_KEY and (sent := wire.status_to_error(value)):
                return sent
        code = failure.code()
        if self._closed or code is grpc.StatusCode.CANCELLED:
            return Error(Reason.CANCELLED, f"provider {self._name} has been closed")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Error(Reason.DEADLINE_EXCEEDED, "the time was up before the provider answered")
        if code is grpc.StatusCode.UNAVAILABLE:
            # The connection's end is seen a little before the process's.
            why = self._process.status() if self._process.wait(0.5) else f"the connection was lost: {failure.details()}"
            return Error(Reason.PROVIDER_CRASHED, f"its process is unreachable: {why}", help="start it again")
        return wire.misbehaved(f"it answered with status {code.name} and no reason of the contract")

    def _take(self, request, answer):
        """Checks an answer before it is used: a password for another id locks accounts."""
        if answer.credential_id != request.id:
            raise wire.misbehaved(f"asked for credential {request.id!r}, it answered for another one")
        if not answer.username:
            raise wire.misbehaved(f"it gave credential {request.id!r} without a username")
        if answer.password is None and not answer.extra.get(PRIVATE_KEY):
            raise wire.misbehaved(f"it gave credential {request.id!r} with neither a password nor a private key")
        self._process.log.learn(answer)
        return answer


def _secret_settings(schema):
    """The names of the settings that a schema says are secret."""
    try:
        return [name for name, about in json.loads(schema or "{}").get("properties", {}).items() if about.get("writeOnly")]
    except (ValueError, AttributeError, RecursionError):
        raise wire.misbehaved("its settings schema is not one") from None
