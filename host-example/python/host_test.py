"""Tests of tom_credential.host, with real providers. The Go test beside it prepares them and says in the environment where."""

import concurrent.futures
import contextlib
import copy
import io
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unittest
from unittest import mock

from tom_credential import host, launch, wire
from tom_credential.host import Credential, Error, Reason, Secret
from tom_credential.process import Log

PLUGINS = os.environ["TEST_PLUGINS"]
TIME = 60.0  # seconds for a start: the machine may be busy
CANARY = "canary-"


class Lines(logging.Handler):
    """What was logged, as text."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def emit(self, record):
        self.text += self.format(record) + "\n"


class HostTest(unittest.TestCase):
    def setUp(self):
        self.lines = Lines()
        self.logger = logging.Logger("test", 1)
        self.logger.addHandler(self.lines)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def tearDown(self):
        self.assertNotIn(CANARY, self.lines.text)

    def start(self, name, settings=None, **options):
        provider = host.start(name, settings=settings, **{"dirs": [PLUGINS], "start_timeout": TIME, "logger": self.logger, **options})
        self.addCleanup(provider.close)
        return provider

    def start_aws(self):
        return self.start("aws_secrets_manager", {"region": "us-east-1", "endpoint_url": os.environ["TEST_ENDPOINT"]})

    def start_specimen(self):
        return self.start("specimen", {"url": "https://localhost", "token": "canary-4735"})

    def script(self, text, mode=0o755):
        """A provider that is a shell script."""
        path = os.path.join(self.directory, "tom-credential-script")
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, mode)
        return path

    @contextlib.contextmanager
    def refused(self, reason, says=""):
        with self.assertRaises(Error) as raised:
            yield
        problem = raised.exception
        self.assertIs(problem.reason, reason, problem)
        self.assertIn(says, str(problem))
        self.assertNotIn(CANARY, "".join(traceback.format_exception(problem)))

    def assertGone(self, pid):
        for _ in range(1000):
            if not runs(pid):
                return
            time.sleep(0.01)
        self.fail(f"process {pid} is still there")


def runs(pid):
    """Reports whether the process runs; one that has exited and was not waited for does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


class TestAWS(HostTest):
    def test_reads(self):
        with self.start_aws() as provider:
            found = provider.get("lab")
            self.assertEqual((found.username, found.password.reveal(), found.credential_id), ("admin", "canary-<4712>", "lab"))
            self.assertEqual({name: value.reveal() for name, value in found.extra.items()}, {"enable_password": "canary-4713"})
            self.assertIsNotNone(found.version_created.tzinfo)
            self.assertNotIn(CANARY, f"{found} {found!r} {found.password:>20} {[found.password]}")
            self.assertEqual(provider.get("lab", version_label="AWSPREVIOUS").password.reveal(), "canary-4711")
            self.assertEqual(provider.get("lab", version_id=found.version_id).password, found.password)
            self.assertEqual({summary.id for summary in provider.list()}, {"lab", "core", "broken"})
            checks = {check.name: check.status for check in provider.validate("lab")}
            self.assertEqual((checks["identity"], checks["read"]), ("passed", "passed"))
            self.assertLessEqual({"LIST", "BATCH", "VERSION"}, provider.capabilities)
            self.assertIn("region", json.loads(provider.settings_schema)["properties"])

    def test_errors(self):
        provider = self.start_aws()
        with self.refused(Reason.CREDENTIAL_NOT_FOUND, "absent"):
            provider.get("absent")
        with self.refused(Reason.CREDENTIAL_MALFORMED):
            provider.get("broken")
        with self.refused(Reason.CREDENTIAL_ID_INVALID):
            provider.get("../lab")
        with self.assertRaises(Error) as raised:
            provider.get("absent")
        self.assertTrue(raised.exception.help)
        self.assertFalse(raised.exception.reason.transient)
        lab, absent, core = provider.get_batch(["lab", "absent", "core"])
        self.assertEqual((lab.password.reveal(), core.password.reveal()), ("canary-<4712>", "canary-4714"))
        self.assertIs(absent.reason, Reason.CREDENTIAL_NOT_FOUND)

    def test_settings(self):
        with self.refused(Reason.SETTINGS_INVALID):
            self.start("aws_secrets_manager", {"regoin": "canary-4799", "request_timeout": "canary-4798"})
        with self.refused(Reason.SETTINGS_INVALID, "must be a str"):
            self.start("aws_secrets_manager", {"region": {"canary-4797"}})

    def test_threads(self):
        provider = self.start_aws()
        ids = {"lab": "canary-<4712>", "core": "canary-4714"}
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda i: provider.get(list(ids)[i % 2]), range(200)))
        for i, answer in enumerate(answers):
            self.assertEqual(answer.password.reveal(), ids[list(ids)[i % 2]])

    def test_end(self):
        provider = self.start_aws()
        pid, directory = provider._process.pid, provider._process.directory
        provider.close()
        provider.close()
        self.assertGone(pid)
        self.assertFalse(os.path.exists(directory))
        with self.refused(Reason.CANCELLED):
            provider.get("lab")
        self.assertFalse(provider.healthy())

    def test_kill(self):
        provider = self.start_aws()
        os.kill(provider._process.pid, signal.SIGKILL)
        with self.refused(Reason.PROVIDER_CRASHED, "signal 9"):
            provider.get("lab")

    def test_stop(self):
        provider = self.start_aws()
        os.kill(provider._process.pid, signal.SIGSTOP)
        with self.refused(Reason.DEADLINE_EXCEEDED):
            provider.get("lab", timeout=0.5)
        self.assertFalse(provider.healthy())
        provider.close()
        self.assertGone(provider._process.pid)

    def test_killed_host(self):
        program = (
            "import os, sys; from tom_credential import host\n"
            "p = host.start('yaml', dirs=[sys.argv[1]], start_timeout=60)\n"
            "print(p._process.pid, p._process.directory, flush=True); sys.stdin.read()"
        )
        pipe = subprocess.PIPE
        for kill in (True, False):
            with subprocess.Popen([sys.executable, "-c", program, PLUGINS], stdin=pipe, stdout=pipe, text=True) as child:
                pid, directory = child.stdout.readline().split()
                if kill:
                    child.kill()
                else:  # it ends without close
                    child.stdin.close()
                    child.wait()
                    self.assertFalse(os.path.exists(directory))
                self.assertGone(int(pid))


class TestOthers(HostTest):
    def test_yaml(self):
        path = os.path.join(self.directory, "creds.yml")
        with open(path, "w") as file:
            file.write("lab: {username: k, private_key: canary-4720}\n")
        found = self.start("yaml", {"credential_file": path}).get("lab")
        self.assertIsNone(found.password)
        self.assertEqual(found.extra["private_key"].reveal(), "canary-4720")

    def test_python_provider(self):
        provider = self.start_specimen()
        found = provider.get("lab")
        self.assertEqual(found.version_created.isoformat(), "2024-05-06T07:08:09+00:00")
        self.assertEqual(provider.get("keyed").max_cache_age.total_seconds(), 0)
        with self.refused(Reason.THROTTLED):
            provider.get("throttled")
        with self.refused(Reason.CREDENTIAL_NOT_FOUND):  # with as many details as there may be
            provider.get("absent")
        provider.capabilities -= {"BATCH"}
        del provider._methods[wire.PROVIDER, "BatchGetCredentials"]
        lab, absent = provider.get_batch(["lab", "absent"])
        self.assertEqual((lab.credential_id, absent.reason), ("lab", Reason.CREDENTIAL_NOT_FOUND))
        provider.get("leaky")  # logs what it handed out before
        provider.get("token")  # logs what it was given
        provider.close()
        self.assertIn("with token [REDACTED]", self.lines.text)
        self.assertIn("leaked [REDACTED]", self.lines.text)
        self.assertIn("specimen: closed", self.lines.text)

    def test_environment(self):
        path = self.script(f"env >'{self.directory}/env'")
        environ = {"PATH": os.environ["PATH"], "SCRIPT_TOKEN": "a", "OTHER_TOKEN": CANARY, "PLUGIN_CLIENT_CERT": CANARY}
        with self.refused(Reason.PROVIDER_START_FAILED, "status 0"):
            self.start("script", path=path, environ=environ)
        with open(os.path.join(self.directory, "env")) as file:
            text = file.read()
        self.assertIn("SCRIPT_TOKEN=a", text)
        self.assertIn("TOM_CREDENTIAL_LOG_LEVEL=trace", text)
        self.assertIn("BEGIN CERTIFICATE", text)
        self.assertNotIn(CANARY, text)

    def test_launches_that_fail(self):
        cert = os.environ["TEST_CERTIFICATE"]
        line = f"echo '1|1|unix|'$PLUGIN_UNIX_SOCKET_DIR'/s|grpc|{cert}'\n"
        for text, reason, says in [
            ("exit 3", Reason.PROVIDER_START_FAILED, "status 3"),
            ("echo 'no good' >&2; exit 1", Reason.PROVIDER_START_FAILED, "no good"),
            ("echo hello; exec sleep 60", Reason.PROVIDER_INCOMPATIBLE, "'hello'"),
            ("head -c 100000 /dev/zero; exec sleep 60", Reason.PROVIDER_INCOMPATIBLE, "something else"),
            (line.replace("1|1|", "1|2|"), Reason.PROVIDER_INCOMPATIBLE, "version '2'"),
            (line.replace(cert, ""), Reason.PROVIDER_INCOMPATIBLE, "without mutual TLS"),
            (line.replace(cert, "x" * 200), Reason.PROVIDER_INCOMPATIBLE, "not base64"),
            (line.replace(cert, os.environ["TEST_P521"]), Reason.PROVIDER_INCOMPATIBLE, "secp521r1"),
            ("echo '1|1|unix|/tmp/s|grpc|x'", Reason.PROVIDER_INCOMPATIBLE, "neither a socket"),
            ("echo '1|1|tcp|192.0.2.1:80|grpc|x'", Reason.PROVIDER_INCOMPATIBLE, "neither a socket"),
            (line, Reason.PROVIDER_START_FAILED, "status 0"),  # no process listens
            # It speaks as another provider than the one that listens.
            (
                f"'{PLUGINS}/tom-credential-yaml' | while read l; do echo \"${{l%|*}}|{cert}\"; done",
                Reason.PROVIDER_START_FAILED,
                "handshake",
            ),
        ]:
            with self.subTest(text[:40]), self.refused(reason, says):
                self.start("script", path=self.script(text))

    def test_silence(self):
        started = time.monotonic()
        with self.refused(Reason.PROVIDER_START_FAILED, "no handshake line"):
            self.start("script", path=self.script(f"sleep 1000 & echo $! >'{self.directory}/pid'; wait"), start_timeout=1.0)
        self.assertLess(time.monotonic() - started, 30)
        with open(os.path.join(self.directory, "pid")) as file:
            self.assertGone(int(file.read()))

    def test_leaves_its_group(self):
        """A provider that has joined its host's process group is killed in bounded time."""
        join = (
            "import os, time; os.setpgid(0, os.getpgid(os.getppid())); "
            f"open('{self.directory}/pid', 'w').write(str(os.getpid())); time.sleep(1000)"
        )
        started = time.monotonic()
        with self.refused(Reason.PROVIDER_START_FAILED, "no handshake line"):
            self.start("script", path=self.script(f'exec "{sys.executable}" -c "{join}"'), start_timeout=3.0)
        self.assertLess(time.monotonic() - started, 30)
        with open(os.path.join(self.directory, "pid")) as file:
            self.assertGone(int(file.read()))

    def test_directories_of_killed_hosts(self):
        """The socket directory of a host that was killed goes with the next start, one in use stays."""
        code = "import time; from tom_credential import launch; print(launch.socket_directory().path, flush=True); time.sleep(1000)"
        with tempfile.TemporaryDirectory(dir="/tmp") as parent:
            environ = os.environ | {"TMPDIR": parent, "XDG_RUNTIME_DIR": "", "RUNTIME_DIRECTORY": ""}
            killed, living = (
                subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True) for _ in range(2)
            )
            for child in (killed, living):
                self.addCleanup(child.wait)
                self.addCleanup(child.stdout.close)
                self.addCleanup(child.kill)
            left, used = killed.stdout.readline().strip(), living.stdout.readline().strip()
            killed.kill()
            killed.wait()
            with mock.patch.object(tempfile, "tempdir", parent), mock.patch.dict(os.environ, environ):
                launch.socket_directory().remove()
            self.assertFalse(os.path.exists(left))
            self.assertTrue(os.path.exists(used))

    def test_files(self):
        with self.refused(Reason.PROVIDER_NOT_FOUND, "nowhere"):
            self.start("nowhere")
        with self.refused(Reason.PROVIDER_NOT_FOUND, "does not exist"):
            self.start("script", path="/nowhere/x")
        with self.refused(Reason.PROVIDER_NOT_FOUND, "not a provider's name"):
            self.start("../x")
        with self.refused(Reason.PROVIDER_REFUSED, "not executable"):
            self.start("script", path=self.script("", 0o644))
        with self.refused(Reason.PROVIDER_REFUSED, "writable by group"):
            self.start("script", path=self.script("", 0o775))
        with self.refused(Reason.PROVIDER_REFUSED, "not a regular file"):
            self.start("script", path=self.directory)
        path = self.script("")
        os.chmod(self.directory, 0o777)
        with self.refused(Reason.PROVIDER_REFUSED, "its directory"):
            self.start("script", path=path)
        with self.refused(Reason.PROVIDER_INCOMPATIBLE, "its name is 'yaml'"):
            self.start("another", path=os.path.join(PLUGINS, "tom-credential-yaml"))

    def test_command_line(self):
        path = os.path.join(self.directory, "creds.yml")
        with open(path, "w") as file:
            file.write("lab: {username: admin, password: canary-4721}\n")

        def run(*args):
            command = [sys.executable, "-m", "tom_credential", "get", "yaml", *args, "--dir", PLUGINS, "--set", f"credential_file={path}"]
            return subprocess.run(command, capture_output=True, text=True)

        hidden, shown, missing = run("lab"), run("lab", "--reveal"), run("absent")
        self.assertEqual(json.loads(hidden.stdout)["password"], "[REDACTED]", hidden.stderr)
        self.assertEqual(json.loads(shown.stdout)["password"], "canary-4721")
        self.assertEqual((missing.returncode, missing.stdout), (1, ""))
        self.assertIn("reason: CREDENTIAL_NOT_FOUND", missing.stderr)
        self.assertEqual(run("lab", "--set", "no_such=1").returncode, 2)


class TestLog(HostTest):
    def take(self, line, *secrets):
        log = Log("p", self.logger)
        for secret in secrets:
            log.learn(Credential("admin", secret))
        log.read(io.BytesIO(line.encode() + b"\nthe next line\n"))
        self.assertIn("p: the next line", self.lines.text)

    def test_secrets(self):
        secret = "canary-\\47'31\u00a0\""
        line = {"@level": "info", "@message": f"m {secret}", "list": [secret, 7], "object": {"a": secret}, "digits": 20240117, "on": True}
        self.take(json.dumps(line), secret, "20240117")
        self.assertIn('p: m [REDACTED] list=["[REDACTED]", 7] object={"a": "[REDACTED]"} digits=[REDACTED] on=true', self.lines.text)

    def test_long_line(self):
        self.take("y" * ((64 << 10) - 13) + "canary-4730-of-some-length", "canary-4730-of-some-length")
        self.assertIn("yyyy", self.lines.text)

    def test_deep_line(self):
        for opened, closed in (20000, 20000), (60000, 0):
            self.take('{"a":' + "[" * opened + "]" * closed + "}")


class TestSecret(unittest.TestCase):
    def test_is_not_shown(self):
        secret = Secret("canary-4722")
        credential = Credential("admin", "canary-4722", {"key": "canary-4722"})
        stream = io.StringIO()
        logging.StreamHandler(stream).emit(logging.makeLogRecord({"msg": "%s %r", "args": (secret, credential)}))
        for text in (
            str(secret),
            repr(secret),
            f"{secret}",
            f"{secret:x}",
            "%s" % secret,  # noqa: UP031
            str([secret]),
            str(credential),
            stream.getvalue(),
        ):
            self.assertIn("[REDACTED]", text)
            self.assertNotIn(CANARY, text)
        for leak in (json.dumps, pickle.dumps, bytes, lambda s: "" + s):
            with self.assertRaises(TypeError):
                leak(secret)
        with self.assertRaises(TypeError):
            pickle.dumps(credential)
        self.assertEqual(copy.deepcopy(secret).reveal(), "canary-4722")

    def test_compares(self):
        self.assertEqual(Secret("a"), Secret("a"))
        self.assertNotEqual(Secret("a"), Secret("b"))
        self.assertNotEqual(Secret("a"), "a")
        self.assertTrue(Secret("a"))
        self.assertFalse(Secret(""))


if __name__ == "__main__":
    unittest.main()
