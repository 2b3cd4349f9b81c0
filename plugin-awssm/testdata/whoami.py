"""Answers, for each environment on standard input, which profile and region botocore uses, and as whom it signs."""

import json
import os
import sys

import botocore.session
from botocore.exceptions import NoCredentialsError


def whoami(profile):
    session = botocore.session.Session(profile=profile or None)
    answer = {"region": session.get_config_variable("region") or ""}
    try:
        # A fixed region: whether there is one is compared separately.
        client = session.create_client("sts", region_name=answer["region"] or "us-east-1")
        answer["identity"] = client.get_caller_identity()["Arn"]
    except NoCredentialsError:
        answer["identity"] = "none"
    return answer


answers = []
clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
for case in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(clean)
    os.environ.update(case["environment"])
    try:
        answers.append(whoami(case["profile"]))
    except Exception as problem:  # its name is enough
        answers.append({"region": "", "identity": "error", "problem": type(problem).__name__ + ": " + str(problem)})
json.dump(answers, sys.stdout)
