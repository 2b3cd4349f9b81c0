"""Tests of tom_credential.tom: Tom's worker, or its stand-in, with real saq, Redis, netmiko and scrapli, a real agent and a real
provider, at embedded devices. The Go test beside it says in the environment where its parts are."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import redis
import saq

from local_test import processes
from tom_device import Devices

CANARY = "canary-"
ADAPTERS = {"netmiko": "cisco_ios", "scrapli": "cisco_iosxe"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def command_line(pid):
    """What a process runs. One that has ended, and that the system hasn't noted yet, runs nothing."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""


class Site:
    """A Redis, the devices, the backend's file, and workers."""

    redis_options = ("--save", "", "--appendonly", "no")

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))
        self.devices = self.stack.enter_context(Devices())
        self.redis_port = free_port()
        self.start_redis()
        self.stack.callback(lambda: (self.redis.terminate(), self.redis.wait()))
        self.credentials, self.workers = {}, []
        self.path = os.path.join(self.directory, "creds.yml")
        self.store()
        with open(os.path.join(self.directory, "guard.key"), "wb") as file:
            file.write(os.urandom(32))
        os.chmod(file.name, 0o600)
        self.config = os.path.join(self.directory, "tom_worker_config.yaml")
        settings = {
            "credential_plugin": "yaml",
            "plugin_yaml_credential_file": self.path,  # which Tom refuses in this file
            "credential_cache_ttl": "1s",
            "login_guard_key_file": file.name,
            "ssh_login_timeout": "20s",
            "metrics_address": "127.0.0.1:0",
            "redis_host": "127.0.0.1",
            "redis_port": self.redis_port,
            "log_level": "info",
        }
        with open(self.config, "w") as file:
            json.dump(settings, file)

    def start_redis(self):
        options = ["--bind", "127.0.0.1", "--rdbcompression", "no", "--dir", self.directory, *self.redis_options]
        self.redis = subprocess.Popen(["redis-server", "--port", str(self.redis_port), *options], stdout=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not answers(self.redis_port) and time.monotonic() < end:
            time.sleep(0.02)

    def close(self):
        for worker in self.workers:
            worker.end()
        self.stack.close()

    def store(self, **passwords):
        """Writes the backend's file, as an editor does."""
        self.credentials.update({id: {"username": "admin", "password": password} for id, password in passwords.items()})
        with open(os.open(self.path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.credentials, file)
        os.rename(self.path + ".new", self.path)

    def environ(self, name, **changes):
        runtime = os.path.join(self.directory, name)
        temporary = os.path.join(runtime, "tmp")
        os.makedirs(temporary, exist_ok=True)
        environ = dict(
            os.environ,
            XDG_RUNTIME_DIR=runtime,
            TMPDIR=temporary,
            TOM_AGENT_PROGRAM=os.environ["TEST_HOST_EXAMPLE"],
            TOM_AGENT_LINGER="1s",
            TOM_WORKER_CONFIG_FILE=self.config,
            TOM_WORKER_CONCURRENCY="20",
            PYTHONPATH=os.pathsep.join((os.environ["PYTHONPATH"], os.environ["TEST_TOM"])),
        )
        environ.update(changes)
        return environ

    def start(self, name, **changes):
        worker = Worker(name, self.environ(name, **changes), self.directory)
        self.workers.append(worker)
        return worker

    def run(self, jobs, *, timeout=20, retries=3, database=0):
        """Has jobs worked off, each (function, arguments), and returns them when they have ended."""

        async def submit():
            queue = saq.Queue.from_url(f"redis://127.0.0.1:{self.redis_port}/{database}")
            await queue.connect()
            try:
                sent = [
                    await queue.enqueue(function, timeout=timeout, retries=retries, retry_delay=0.1, retry_backoff=True, **arguments)
                    for function, arguments in jobs
                ]
                end = time.monotonic() + 120
                while not all(job.completed for job in sent):
                    if time.monotonic() > end or all(worker.process.poll() is not None for worker in self.workers):
                        raise AssertionError(
                            f"jobs have not ended: {[job.status for job in sent]}\n" + "\n".join(w.said()[-1500:] for w in self.workers)
                        )
                    await asyncio.sleep(0.05)
                    for job in sent:
                        if not job.completed:
                            await job.refresh()
                return sent
            finally:
                await queue.disconnect()

        return asyncio.run(submit())

    def dump(self):
        """All that Redis holds."""
        with redis.Redis(port=self.redis_port) as client:
            return b"".join(key + (client.dump(key) or b"") for key in client.scan_iter())


class Worker:
    """A process of Tom's worker, with its agent."""

    def __init__(self, name, environ, directory, command=(sys.executable, "-m", "tom_credential.tom"), log=None):
        self.name, self.environ = name, environ
        self.log = os.path.join(directory, (log or name) + ".log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, env=environ, cwd=directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def agent(self):
        directory = os.path.join(self.environ["XDG_RUNTIME_DIR"], "tom-agent")
        found = [name.removesuffix(".lock") for name in os.listdir(directory) if name.endswith(".lock")] if os.path.isdir(directory) else []
        return [pid for name in found for pid in processes(os.path.join(directory, name))]

    def providers(self):
        """The children of the agent."""
        agents, found = set(self.agent()), []
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) in agents:
                    found.append(int(pid))
        return found

    def metric(self, name):
        address = re.findall(r"address=(127\.0\.0\.1:\d+)", self.said())[-1]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return sum(float(line.rpartition(" ")[2]) for line in answer.read().decode().splitlines() if re.match(rf"{name}[ {{]", line))

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in self.agent():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGTERM)


def command(device, id, adapter="netmiko", command="show version"):
    credential = {"type": "stored", "credential_id": id} if isinstance(id, str) else {"type": "inlineSSH", **id}
    port = device if isinstance(device, int) else device.port
    model = {"host": "127.0.0.1", "port": port, "device_type": ADAPTERS[adapter], "credential": credential}
    return f"send_commands_{adapter}", {"json": json.dumps(dict(model, commands=[command], use_cache=False))}


class TomTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.close)
        cls.site.store(**{f"id{i}": f"{CANARY}{i}-first" for i in range(22)})
        cls.worker = cls.site.start("worker")
        cls.site.run([("list_credentials", {})])  # it has started

    def assertDone(self, jobs):
        for job in jobs:
            self.assertEqual(job.status, "complete", f"{job.error}\n{self.worker.said()[-1500:]}")
            self.assertIn("output of show version", job.result["data"]["show version"])

    def assertFailed(self, job, says, attempts):
        self.assertEqual(job.status, "failed", job)
        self.assertIn(says, job.error)
        self.assertEqual(job.attempts, attempts, job.error)

    def eventually(self, what, happened):
        end = time.monotonic() + 60
        while not happened():
            self.assertLess(time.monotonic(), end, f"{what}\n{self.worker.said()[-1500:]}")
            time.sleep(0.02)

    def device(self, number):
        return self.site.devices.start(f"{CANARY}{number}-first")

    def test_jobs(self):
        """Both adapters, the listing, credentials that a job brings along, an id that doesn't exist, and no secret anywhere."""
        device = self.device(0)
        other = self.site.devices.start("inline-password")
        inline = {"username": "admin", "password": "inline-password"}
        *done, absent, listed = self.site.run(
            [command(device, "id0", adapter) for adapter in ADAPTERS]
            + [command(other, inline, adapter) for adapter in ADAPTERS]
            + [command(self.device(0), "absent"), ("list_credentials", {})]
        )
        self.assertDone(done)
        self.assertFailed(absent, "CREDENTIAL_NOT_FOUND", 1)
        self.assertEqual(set(listed.result["credentials"]), set(self.site.credentials))
        self.eventually("permits are left", lambda: self.worker.metric("tom_credential_login_permits") == 0)
        self.assertEqual(self.worker.metric("tom_credential_logins_unanswered_total"), 0)
        self.assertNotIn(CANARY, self.worker.said())
        held = self.site.dump()
        self.assertIn(b"inline-password", held)  # what jobs bring along is in them
        self.assertNotIn(CANARY.encode(), held)

    def test_refusal(self):
        """A refused login isn't repeated, and the next one doesn't reach the device."""
        for number, adapter in ((1, "netmiko"), (2, "scrapli")):
            with self.subTest(adapter):
                device = self.site.devices.start("another")
                first, second = (self.site.run([command(device, f"id{number}", adapter)])[0] for _ in range(2))
                self.assertFailed(first, "Authentication failed", 1)
                self.assertFailed(second, "CREDENTIAL_REJECTED", 1)
                self.assertEqual(device.wrong, 1)

    def test_no_answer(self):
        """A device that hangs up has refused nothing: the job is repeated. One that is silent holds up no other."""
        for number, adapter in ((3, "netmiko"), (4, "scrapli")):
            with self.subTest(adapter):
                device = self.device(number)
                device.hangs_up = True
                (job,) = self.site.run([command(device, f"id{number}", adapter)], retries=1)
                self.assertFailed(job, "", 1)
                self.assertRegex(job.error.splitlines()[-1], "^(tom_worker.exceptions.TransientException|asyncssh)")
        silent, device = self.site.devices.start_silent(), self.device(5)
        results = self.site.run([command(silent, "id5")] + [command(device, "id5")], timeout=3, retries=1)
        self.assertEqual([job.status for job in results][1], "complete", results)
        # A report may be on its way when its job has ended.
        self.eventually("permits are left", lambda: self.worker.metric("tom_credential_login_permits") == 0)

    def test_questions(self):
        """Devices that ask for the password in words: it is answered once, and a refusal counts."""
        for first, adapter in ((15, "netmiko"), (16, "scrapli")):
            for number, again in ((first, False), (first + 2, True)):
                with self.subTest(f"{adapter}, asks again: {again}"):
                    good, bad = self.device(number), self.site.devices.start("another")
                    for device in (good, bad):
                        device.questions, device.again = ["admin@new-code1's password: "], again
                    refused, second = (self.site.run([command(bad, f"id{number}", adapter)])[0] for _ in range(2))
                    self.assertFailed(refused, "Authentication failed", 1)
                    self.assertFailed(second, "CREDENTIAL_REJECTED", 1)
                    self.assertEqual((bad.wrong, bad.other), (1, 0))
                    self.assertDone(self.site.run([command(good, f"id{number}", adapter)]))

    def test_asks_more(self):
        """Devices that ask for a code after the password don't get it there, and close nothing. They get the password again later."""
        for number, adapter in ((19, "netmiko"), (20, "scrapli")):
            with self.subTest(adapter):
                devices = [self.device(number), self.site.devices.start("another")]
                for device in devices:
                    device.questions = ["Password: ", "Verification code: "]
                devices += [self.site.devices.start_partial(f"{CANARY}{number}-first") for _ in range(2)]
                for device in devices:
                    first, second = (self.site.run([command(device, f"id{number}", adapter)])[0] for _ in range(2))
                    self.assertFailed(first, "asks for more than a password", 1)
                    self.assertFailed(second, "CREDENTIAL_REJECTED", 1)
                    self.assertEqual((device.wrong + device.accepted, device.other), (1, 0))
                self.assertDone(self.site.run([command(self.device(number), f"id{number}", adapter)]))
        code = self.device(21)
        code.questions = ["Verification code: "]
        (job,) = self.site.run([command(code, "id21")], retries=1)
        self.assertFailed(job, "something else than a password", 1)
        self.assertEqual((code.wrong, code.accepted, code.other), (0, 0, 0))

    def test_permit(self):
        """A login's permit is free when the device has accepted it, long before there is a prompt."""
        for number, adapter in ((17, "netmiko"), (18, "scrapli")):
            with self.subTest(adapter):
                device, done = self.device(number), []
                device.slow = True
                job = threading.Thread(
                    target=lambda d=device, n=number, a=adapter, to=done: to.extend(self.site.run([command(d, f"id{n}", a)]))
                )
                job.start()
                try:
                    self.eventually("the device accepts", lambda device=device: device.accepted == 1)
                    self.eventually("the permit is free", lambda: self.worker.metric("tom_credential_login_permits") == 0)
                    self.assertEqual(done, [])
                finally:
                    device.slow = False
                    job.join()
                self.assertDone(done)

    def test_time_up(self):
        """A job whose time is up while the device thinks: the answer counts, and the connection is closed."""
        for number, adapter in ((6, "netmiko"), (7, "scrapli")):
            with self.subTest(adapter):
                device = self.device(number)
                unanswered = self.worker.metric("tom_credential_logins_unanswered_total")
                device.delay = 2
                (job,) = self.site.run([command(device, f"id{number}", adapter)], timeout=1, retries=1)
                self.assertIn(job.status, ("failed", "aborted"))
                self.eventually("the device answers", lambda device=device: device.accepted == 1)
                self.eventually("permits are left", lambda: self.worker.metric("tom_credential_login_permits") == 0)
                self.eventually("connections are left", lambda device=device: device.open == 0)
                self.assertEqual(self.worker.metric("tom_credential_logins_unanswered_total"), unanswered)

    def test_rotation(self):
        """The devices first: until the secret follows, the budget bounds what they see. Then all jobs are done."""
        devices = [self.device(8) for _ in range(4)]
        self.assertDone(self.site.run([command(device, "id8", adapter) for device in devices[:2] for adapter in ADAPTERS]))
        for device in devices:
            device.password = f"{CANARY}8-second"
        jobs = self.site.run([command(device, "id8", adapter) for device in devices for adapter in ADAPTERS], retries=1, timeout=5)
        self.assertEqual({job.status for job in jobs} - {"failed", "aborted"}, set())
        self.assertLessEqual(sum(device.wrong for device in devices), 2)
        self.site.store(id8=f"{CANARY}8-second")
        self.eventually("the new password is used", lambda: self.site.run([command(devices[0], "id8")], retries=1)[0].status == "complete")
        self.assertDone(self.site.run([command(device, "id8", adapter) for device in devices for adapter in ADAPTERS]))
        self.assertLessEqual(sum(device.wrong for device in devices), 2)

    def test_faults(self):
        """A provider that is killed, one that hangs, an agent that is killed, and a backend that is down: jobs are done."""
        devices = [self.device(9) for _ in range(6)]
        jobs = [command(device, "id9", adapter) for device in devices for adapter in ADAPTERS]
        self.assertDone(self.site.run(jobs))
        (provider,) = self.worker.providers()
        os.kill(provider, signal.SIGKILL)
        self.assertDone(self.site.run(jobs[:2] + [command(self.device(10), "id10")]))
        (provider,) = self.worker.providers()
        os.kill(provider, signal.SIGSTOP)
        self.assertDone(self.site.run(jobs[:2] + [command(self.device(11), "id11")]))
        (agent,) = self.worker.agent()
        os.kill(agent, signal.SIGKILL)
        self.assertDone(self.site.run(jobs))
        self.assertNotEqual(self.worker.agent(), [agent])
        self.assertDone(self.site.run([command(self.device(12), "id12")]))
        os.rename(self.site.path, self.site.path + ".away")
        os.symlink(self.site.path, self.site.path)  # what can't be read, as a server of files that fails
        try:
            time_up = time.time() + 1.1  # the cached copy is old
            self.eventually("the copy is old", lambda: time.time() > time_up)
            self.assertDone(self.site.run(jobs))
            (job,) = self.site.run([command(devices[0], "id13")])
            self.assertFailed(job, "BACKEND_UNAVAILABLE", 3)
        finally:
            os.rename(self.site.path + ".away", self.site.path)

    def test_document(self):
        """What the document says to do without containers, in an empty directory."""
        with open(os.environ["TEST_DOCUMENT"]) as file:
            section = file.read().partition("## Without containers\n")[2]
        script = re.search("```bash\n(.*?)```", section, re.DOTALL).group(1)
        environ = self.site.environ("document", TOM_WORKER_REDIS_PORT=str(self.site.redis_port))
        del environ["TOM_WORKER_CONFIG_FILE"], environ["TOM_AGENT_PROGRAM"]
        environ["PATH"] = os.path.dirname(os.environ["TEST_HOST_EXAMPLE"]) + os.pathsep + environ["PATH"]
        # Its own queue: the other worker has other credentials.
        environ["TOM_WORKER_REDIS_DB"] = "1"
        empty = os.path.join(self.site.directory, "empty")
        os.mkdir(empty)
        worker = Worker("document", environ, empty, ["bash", "-e", "-c", script.replace("python3 -m", "exec python3 -m")])
        self.site.workers.append(worker)
        device = self.site.devices.start("made-up")
        self.assertDone(self.site.run([command(device, "lab_creds", adapter) for adapter in ADAPTERS], database=1))
        worker.end()

    def test_named_agent(self):
        """A worker at an agent that others run, with the rule that the document names."""
        with open(os.environ["TEST_DOCUMENT"]) as file:
            methods = re.search(r"its rule for the worker's user needs `([a-z+]+)`, and `list`", " ".join(file.read().split())).group(1)
        environ = self.site.environ("named", TOM_WORKER_LOGIN_GUARD="redis", TOM_WORKER_AGENT_CLIENTS=f"{os.getuid()}={methods}+list")
        directory = os.path.join(environ["XDG_RUNTIME_DIR"], "run")
        os.mkdir(directory, 0o700)
        address = os.path.join(directory, "agent.sock")
        with open(os.path.join(self.site.directory, "agent.log"), "w") as log:
            agent = subprocess.Popen([environ["TOM_AGENT_PROGRAM"], "agent", "--socket", address], env=environ, cwd="/", stderr=log)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        redis_db = {"TOM_WORKER_REDIS_DB": "2"}  # its own queue
        worker = self.site.start("at-named", TOM_AGENT_SOCKET=address, TOM_WORKER_CREDENTIAL_PLUGIN="yaml", **redis_db)
        jobs = [command(self.device(0), "id0", adapter) for adapter in ADAPTERS] + [("list_credentials", {})]
        *done, listed = self.site.run(jobs, database=2)
        self.assertDone(done)
        self.assertEqual(set(listed.result["credentials"]), set(self.site.credentials))
        self.assertEqual(worker.agent(), [])
        worker.end()

    def test_killed_worker(self):
        """Nothing is left of a worker that was killed: no process, and no directory but the agent's own."""
        worker = self.site.start("killed", TOM_WORKER_CONCURRENCY="2")
        self.eventually("it starts", lambda: "Starting worker (" in worker.said())
        running = {pid: command_line(pid) for pid in worker.agent() + worker.providers()}
        self.assertEqual(len(running), 2)
        worker.process.kill()
        worker.process.wait()
        self.eventually("processes are left", lambda: not any(command_line(pid) == line for pid, line in running.items()))
        self.assertEqual(os.listdir(worker.environ["TMPDIR"]), [])

    def test_six_workers(self):
        """A fleet with an agent each shares the budget."""
        workers = [self.site.start(f"fleet{i}", TOM_WORKER_CONCURRENCY="4") for i in range(5)]
        for worker in workers:
            self.eventually("it starts", lambda worker=worker: "Starting worker (" in worker.said())
        devices = [self.device(14) for _ in range(12)]
        jobs = [command(device, "id14", adapter) for device in devices for adapter in ADAPTERS]
        self.assertDone(self.site.run(jobs))
        for device in devices:
            device.password, device.delay = f"{CANARY}14-second", 0.3
        self.site.run(jobs, retries=1, timeout=5)
        wrong = sum(device.wrong for device in devices)
        self.assertLessEqual(wrong, 2, "wrong passwords of the fleet")
        self.assertGreater(wrong, 0)
        self.site.store(id14=f"{CANARY}14-second")
        self.eventually("the new password is used", lambda: self.site.run([command(devices[0], "id14")], retries=1)[0].status == "complete")
        self.assertDone(self.site.run(jobs))
        self.assertLessEqual(sum(device.wrong for device in devices), 2)
        for worker in workers:
            worker.end()


class InstallTest(unittest.TestCase):
    """Where Tom has changed, nothing logs in past the guard."""

    def install(self, before, **changes):
        environ = dict(os.environ, PYTHONPATH=os.pathsep.join((os.environ["PYTHONPATH"], os.environ["TEST_TOM"])), **changes)
        environ["TOM_AGENT_SOCKET"] = "/nowhere/agent.sock"
        script = f"import sys\n{before}\nfrom tom_credential import tom\ntom.install()\n"
        script += "import tom_worker.jobs as jobs\nprint(jobs.NetmikoAdapter.__module__)"
        with tempfile.TemporaryDirectory(dir="/tmp") as empty:
            return subprocess.run([sys.executable, "-c", script], env=environ, cwd=empty, capture_output=True, text=True, timeout=120)

    def test_known(self):
        done = self.install("")
        self.assertIn("tom_credential.tom.logins", done.stdout, done.stderr)

    def test_off(self):
        done = self.install("", TOM_WORKER_LOGIN_GUARD="off")
        self.assertIn("tom_worker.adapters", done.stdout, done.stderr)

    def test_changed(self):
        changes = {
            "jobs don't log in": "import tom_worker.jobs as j; j.NetmikoAdapter = type('NetmikoAdapter', (), {})",
            "takes other arguments": "from tom_worker import adapters as a\na.ScrapliAsyncAdapter.__init__ = lambda self, host: None",
            "connect is another": "from tom_worker import adapters as a\na.NetmikoAdapter.connect = lambda self: None",
        }
        for problem, before in changes.items():
            before = "from tom_shared.config import SharedSettings as s\ns.model_config['extra'] = 'ignore'\n" + before
            with self.subTest(problem):
                done = self.install(before)
                self.assertIn(problem, done.stderr)
                self.assertIn("TOM_WORKER_LOGIN_GUARD=off", done.stderr)
                self.assertNotEqual(done.returncode, 0)

    def test_password_outside(self):
        done = self.install("", **{})
        self.assertEqual(done.returncode, 0, done.stderr)
        script = "from tom_credential.tom import install\ninstall()\nfrom tom_credential.tom import plugin\n"
        script += "c = plugin.GuardedCredentials('lab', 'admin', None)\nprint(c, c.username)\nc.password"
        environ = dict(os.environ, PYTHONPATH=os.pathsep.join((os.environ["PYTHONPATH"], os.environ["TEST_TOM"])))
        done = subprocess.run([sys.executable, "-c", script], env=environ, cwd="/", capture_output=True, text=True, timeout=120)
        self.assertIn("outside the guard", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
