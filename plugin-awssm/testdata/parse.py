"""Reports, for each text on standard input, whether Python's json takes it as one object without repeated keys, and its members."""

import base64
import json
import sys


def unique(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key comes twice")
    return members


def refuse(constant):
    raise ValueError("not JSON: " + constant)


class Raw(str):
    """A number as it was written."""


def members(text):
    decoded = text.decode("utf-8", "strict")
    parsed = json.loads(
        decoded, object_pairs_hook=unique, parse_constant=refuse, parse_int=Raw, parse_float=Raw
    )
    if not isinstance(parsed, dict):
        raise ValueError("not an object")
    found = {}
    for key, value in parsed.items():
        key.encode("utf-8")  # refuses half of a surrogate pair
        if isinstance(value, Raw):
            found[key] = {"kind": "number", "text": str(value)}
        elif isinstance(value, str):
            value.encode("utf-8")
            found[key] = {"kind": "string", "text": value}
        elif isinstance(value, bool):
            found[key] = {"kind": "boolean", "text": "true" if value else "false"}
        else:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
            found[key] = {"kind": "other", "text": ""}
    return found


answers = []
for encoded in json.load(sys.stdin):
    try:
        answers.append({"taken": True, "members": members(base64.b64decode(encoded))})
    except (ValueError, RecursionError) as problem:
        answers.append({"taken": False, "problem": str(problem)[:80]})
json.dump(answers, sys.stdout)
