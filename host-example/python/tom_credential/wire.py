"""The messages on the wire.

Their classes are made from contract.binpb while the program runs, and not by a generator before: so there is no generated
code that must fit the protobuf library, and nothing to run after an update of either. They live in their own pool,
where they can't collide with other copies of google.rpc in the same process.

Never log one of these messages, nor put it into an error: their text shows every secret in them.
"""

import datetime
import math
import os
import types

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from . import credential as kinds
from .error import Error, Reason

PROTOCOL_VERSION = 1
COOKIE_NAME, COOKIE = "TOM_CREDENTIAL_PROVIDER", "4f8a1d52-1f6e-4c35-9a0b-7f2b3f2d9c61"
EXECUTABLE_PREFIX = "tom-credential-"
MAX_MESSAGE = 16 << 20  # bytes
DOMAIN = "credential.tom"
DETAILS_KEY = "grpc-status-details-bin"

# Bounds of an error, in bytes: gRPC sends it in HTTP/2 headers, which are bounded too.
_MAX_TEXT, _MAX_DETAILS = 1 << 10, 4 << 10

_pool = descriptor_pool.DescriptorPool()
_files = descriptor_pb2.FileDescriptorSet.FromString(
    __spec__.loader.get_data(os.path.join(os.path.dirname(__file__), "contract.binpb"))  # in a zip file as well
)
for _file in _files.file:
    _pool.Add(_file)


def _messages(file):
    """All messages of a proto file, by their short names."""
    found = _pool.FindFileByName(file).message_types_by_name
    return types.SimpleNamespace(**{name: message_factory.GetMessageClass(kind) for name, kind in found.items()})


v1 = _messages("tom/credential/v1/credential_provider.proto")
guard = _messages("tom/credential/v1/login_guard.proto")
rpc = types.SimpleNamespace(**vars(_messages("google/rpc/status.proto")), **vars(_messages("google/rpc/error_details.proto")))
health = _messages("grpc/health/v1/health.proto")
plugin = _messages("internal/plugin/grpc_controller.proto")
Empty = _messages("google/protobuf/empty.proto").Empty

PROVIDER, GUARD = "tom.credential.v1.CredentialProvider", "tom.credential.v1.LoginGuard"
HEALTH = "grpc.health.v1.Health"
CONTROLLER, STDIO, BROKER = "plugin.GRPCController", "plugin.GRPCStdio", "plugin.GRPCBroker"
HEALTH_SERVICE = "plugin"  # the name under which go-plugin's health service is asked


def methods(service):
    """The methods of a service: name, class of the request, class of the response."""
    for method in _pool.FindServiceByName(service).methods:
        yield method.name, message_factory.GetMessageClass(method.input_type), message_factory.GetMessageClass(method.output_type)


def clip(text, limit=_MAX_TEXT):
    """A string that fits, in valid UTF-8, which gRPC requires."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > limit:
        encoded = encoded[: limit - 3] + b"..."
    return encoded.decode("utf-8", "ignore")


# Errors.


def error_to_status(error):
    """An Error as the bytes of a google.rpc.Status, for the trailing metadata."""
    status = rpc.Status(code=error.code.value[0], message=clip(error.message))
    budget = _MAX_DETAILS

    def add(detail):
        nonlocal budget
        size = detail.ByteSize() + 64  # the wrapping google.protobuf.Any and its type's name
        if size > budget:
            return False
        budget -= size
        status.details.add().Pack(detail)
        return True

    def add_what_fits(make, items):
        while items and not add(make(items)):
            items = items[: len(items) // 2]

    # First what programs decide by, so that a long message can't push it out.
    if error.retry_delay:
        retry = rpc.RetryInfo()
        retry.retry_delay.FromTimedelta(datetime.timedelta(seconds=error.retry_delay))
        add(retry)
    metadata = {clip(name, 64): clip(value, 512) for name, value in error.metadata.items()}
    if not add(rpc.ErrorInfo(domain=DOMAIN, reason=error.reason.value, metadata=metadata)):
        add(rpc.ErrorInfo(domain=DOMAIN, reason=error.reason.value))
    add_what_fits(
        lambda items: rpc.BadRequest(field_violations=[{"field": clip(s, 128), "description": clip(p, 256)} for s, p in items]),
        list(error.violations.items()),
    )
    add_what_fits(lambda items: rpc.Help(links=[{"description": clip(step)} for step in items]), list(error.help))
    return status.SerializeToString()


def status_to_error(encoded, from_host=False):
    """The Error in the bytes of a google.rpc.Status; None if there is none of the contract. from_host takes a host's reasons too."""
    status = rpc.Status.FromString(encoded)
    details = {}
    for detail in status.details:
        name = detail.TypeName().rpartition(".")[2]
        if detail.TypeName().startswith("google.rpc.") and hasattr(rpc, name):
            details[name] = getattr(rpc, name).FromString(detail.value)
    info = details.get("ErrorInfo")
    if info is None or info.domain != DOMAIN:
        return None
    retry, bad = details.get("RetryInfo", rpc.RetryInfo()), details.get("BadRequest", rpc.BadRequest())
    return _checked(
        info.reason,
        status.code,
        status.message,
        from_host,
        help=[link.description for link in details.get("Help", rpc.Help()).links],
        metadata=dict(info.metadata),
        retry_delay=retry.retry_delay.ToTimedelta().total_seconds(),
        violations={v.field: v.description for v in bad.field_violations},
    )


def _checked(reason, code, message, from_host=False, **more):
    """The Error that a provider or host sent, if reason and code belong together."""
    known = Reason.__members__.get(reason)
    if known is None or not (known.from_provider or from_host) or known.code.value[0] != code:
        return misbehaved(f"it answered with reason {clip(reason, 64)!r} and code {code}, which don't belong together")
    return Error(known, message, **more)


def misbehaved(problem):
    return Error(Reason.PROVIDER_MISBEHAVED, f"the provider breaks the contract: {problem}", help="report this to the provider's author")


# Messages.


def settings_from_struct(struct):
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value):
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "struct_value":
        return settings_from_struct(value.struct_value)
    return None if kind in (None, "null_value") else getattr(value, kind)


def request_to_proto(request):
    message = v1.GetCredentialRequest(credential_id=request.id)
    if request.version_id:
        message.version_id = request.version_id
    elif request.version_label:
        message.version_label = request.version_label
    return message


def request_from_proto(message):
    return kinds.Request(message.credential_id, message.version_id, message.version_label)


def credential_to_proto(c):
    """Reveals the secrets: the message must go nowhere but onto the wire."""
    message = v1.Credential(
        credential_id=c.credential_id,
        username=c.username,
        extra={name: value.reveal() for name, value in c.extra.items()},
        version_id=c.version_id,
        from_replica=c.from_replica,
        backend_request_id=clip(c.backend_request_id),
    )
    if c.password is not None:
        message.password = c.password.reveal()
    _set_moment(message.version_created, c.version_created)
    _set_moment(message.expire_time, c.expire_time)
    if c.max_cache_age is not None:
        message.max_cache_age.SetInParent()  # none at all is not the same as 0
        message.max_cache_age.FromTimedelta(c.max_cache_age)
    return message


def credential_from_proto(message):
    return kinds.Credential(
        username=message.username,
        password=message.password if message.HasField("password") else None,
        extra=dict(message.extra),
        version_id=message.version_id,
        version_created=_moment(message, "version_created"),
        max_cache_age=message.max_cache_age.ToTimedelta() if message.HasField("max_cache_age") else None,
        expire_time=_moment(message, "expire_time"),
        from_replica=message.from_replica,
        backend_request_id=message.backend_request_id,
        credential_id=message.credential_id,
    )


def result_to_proto(result):
    """One answer of a batch: a Credential or an Error."""
    if isinstance(result, kinds.Credential):
        return v1.CredentialResult(credential=credential_to_proto(result))
    failure = v1.CredentialError(
        code=result.code.value[0],
        reason=result.reason.value,
        message=clip(str(result)),
        metadata={clip(name, 64): clip(value, 512) for name, value in result.metadata.items()},
        help=[clip(step) for step in result.help],
    )
    if result.retry_delay:
        failure.retry_delay.FromTimedelta(datetime.timedelta(seconds=result.retry_delay))
    return v1.CredentialResult(error=failure)


def result_from_proto(message):
    kind = message.WhichOneof("result")
    if kind == "credential":
        return credential_from_proto(message.credential)
    if kind is None:
        return misbehaved("it answered a request of a batch with neither a credential nor an error")
    e = message.error
    delay = e.retry_delay.ToTimedelta().total_seconds()
    return _checked(e.reason, e.code, e.message, help=list(e.help), metadata=dict(e.metadata), retry_delay=delay)


def summary_to_proto(summary):
    message = v1.CredentialSummary(credential_id=summary.id, description=clip(summary.description))
    _set_moment(message.last_changed, summary.last_changed)
    return message


def summary_from_proto(message):
    return kinds.Summary(message.credential_id, message.description, _moment(message, "last_changed"))


_STATUSES = {"passed": 1, "warning": 2, "failed": 3, "skipped": 4}


def check_to_proto(check):
    return v1.Check(
        name=check.name, status=_STATUSES[check.status], message=clip(check.message), remedy=clip(check.remedy), reason=check.reason
    )


def check_from_proto(message):
    status = next((name for name, number in _STATUSES.items() if number == message.status), "warning")
    return kinds.Check(message.name, status, message.message, message.remedy, message.reason)


def _set_moment(field, moment):
    if moment is not None:
        field.FromNanoseconds(math.floor(moment.timestamp() * 1e6) * 1000)


def _moment(message, field):
    return getattr(message, field).ToDatetime(datetime.UTC) if message.HasField(field) else None
