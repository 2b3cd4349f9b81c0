"""Reads one credential through a provider:

    python3 -m tom_credential get aws_secrets_manager lab_creds --set region=us-east-1

It prints JSON, with "[REDACTED]" for secrets unless --reveal is given. Exit status: 0 done, 1 the operation failed, 2 usage.
"""

import argparse
import json
import logging
import os
import sys

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read when grpc is imported

from . import host, launch  # noqa: E402


def main():
    parser = argparse.ArgumentParser("python3 -m tom_credential", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    get = commands.add_parser("get", help="read one credential")
    get.add_argument("provider", help="the provider's name, such as aws_secrets_manager")
    get.add_argument("id", help="the credential's id")
    get.add_argument("--dir", action="append", metavar="DIR", help=f"look for the provider here (default: {launch.DEFAULT_DIRS[0]})")
    get.add_argument("--path", metavar="FILE", help="the provider's executable, instead of looking for it")
    get.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; VALUE is JSON, or else a string")
    get.add_argument("--settings", metavar="FILE", help="a JSON file with settings; secrets belong there and not into --set")
    get.add_argument("--reveal", action="store_true", help="show the secrets")
    get.add_argument("--verbose", action="store_true", help="show the provider's log")
    args = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if args.verbose else logging.WARNING, format="%(levelname)s %(message)s")
    try:
        settings = read_settings(args)
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    try:
        with host.start(args.provider, settings=settings, path=args.path, dirs=args.dir or launch.DEFAULT_DIRS) as provider:
            found = provider.get(args.id)
    except host.Error as problem:
        print(f"error: {problem}\nreason: {problem.reason}", *problem.help, sep="\n", file=sys.stderr)
        sys.exit(2 if problem.reason is host.Reason.SETTINGS_INVALID else 1)
    show = host.Secret.reveal if args.reveal else str
    password = None if found.password is None else show(found.password)
    extra = {name: show(value) for name, value in found.extra.items()}
    fields = {"credential_id": found.credential_id, "username": found.username, "password": password, "extra": extra}
    print(json.dumps(fields | {"version_id": found.version_id}, indent=2))


def read_settings(args):
    settings = {}
    if args.settings:
        with open(args.settings, encoding="utf-8") as file:
            try:
                settings = json.load(file)
            except ValueError:  # whose text may quote the file
                raise ValueError(f"{args.settings} is not JSON") from None
        if not isinstance(settings, dict):
            raise ValueError(f"{args.settings} is not a JSON object")
    for pair in args.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"--set {name}: it must be NAME=VALUE")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


if __name__ == "__main__":
    main()
