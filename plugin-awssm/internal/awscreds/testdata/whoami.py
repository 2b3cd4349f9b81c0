"""Answers, for each environment on standard input (JSON, one a line), as whom botocore signs in it.

One process answers all of them: starting Python costs more than a question."""

import json
import os
import sys

import re
import urllib.error
import urllib.request

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.handlers import disable_signing, set_operation_specific_signer
from botocore.loaders import Loader
from botocore.utils import ContainerMetadataFetcher

# The address of ECS leads to the test's server, and a failed attempt is followed at once by the next.
ContainerMetadataFetcher.IP_ADDRESS = os.environ.get("ECS_ADDRESS", ContainerMetadataFetcher.IP_ADDRESS)
ContainerMetadataFetcher.SLEEP_TIME = 0

# What is read from botocore's own files doesn't depend on the environment.
loader = Loader()


def whoami(profile):
    # The handlers are for services that are not asked here.
    session = botocore.session.Session(profile=profile or None, include_builtin_handlers=False)
    session.register("choose-signer.sts.AssumeRoleWithWebIdentity", disable_signing)
    session.register("choose-signer", set_operation_specific_signer)
    session.register_component("data_loader", loader)
    session.get_scoped_config()  # as every client does: a profile that isn't there is an error
    credentials = session.get_credentials()
    if credentials is None:
        return "none"
    frozen = credentials.get_frozen_credentials()
    # A client of botocore takes 150 ms to make; signing is what it would do.
    request = AWSRequest(
        method="POST",
        url=os.environ["AWS_ENDPOINT_URL_STS"] + "/",
        data="Action=GetCallerIdentity&Version=2011-06-15",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    SigV4Auth(frozen, "sts", "us-east-1").add_auth(request)
    prepared = request.prepare()
    # urllib: http.client refuses headers with line ends, as urllib3 does.
    sent = urllib.request.Request(prepared.url, data=request.data.encode(), headers=dict(prepared.headers.items()))
    with urllib.request.urlopen(sent) as answer:
        return re.search("<Arn>(.*)</Arn>", answer.read().decode())[1]


def configuration(profile):
    """What of the configuration decides which endpoint is asked, and how."""
    session = botocore.session.Session(profile=profile or None, include_builtin_handlers=False)
    session.register_component("data_loader", loader)
    endpoint = None
    if not session.get_config_variable("ignore_configured_endpoint_urls"):
        endpoint = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "secretsmanager").provide()
    return json.dumps(
        {
            "region": session.get_config_variable("region") or "",
            "endpoint": endpoint or "",
            "fips": bool(session.get_config_variable("use_fips_endpoint")),
            "dual_stack": bool(session.get_config_variable("use_dualstack_endpoint")),
            "attempts": session.get_config_variable("max_attempts") or 0,
            # The older retries, the default of older versions, are standard ones in the provider.
            "mode": session.get_config_variable("retry_mode").replace("legacy", "standard"),
        },
        sort_keys=True,
    )


clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
devnull = open(os.devnull)
questions = sys.stdin
sys.stdin = devnull  # a prompt gets no answer
for line in questions:
    case = json.loads(line)
    os.environ.clear()
    os.environ.update(clean)
    os.environ.update(case["environment"])
    try:
        ask = configuration if case.get("configuration") else whoami
        answer = {"identity": ask(case["profile"])}
    except BaseException as problem:  # its name is enough
        answer = {"identity": "error", "problem": type(problem).__name__ + ": " + str(problem)[:300]}
    print(json.dumps(answer), flush=True)
