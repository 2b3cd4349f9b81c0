"""Chaos on a fleet of Tom's workers: real saq on a real Redis, agents, the AWS provider and an embedded Secrets Manager, at devices that
share accounts. While jobs run, workers, agents, providers and Redis are killed, stopped and restarted, and passwords are rotated in
all ways. The Go test beside it says in the environment where its parts are, and how long it goes on."""

import asyncio
import collections
import contextlib
import glob
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import unittest

import boto3
import redis
import saq

from fleet_world import Account, FleetDevice
from tom_test import ADAPTERS, CANARY, Site, Worker, command

JOBS = int(os.environ["TEST_FLEET_JOBS"])
WORKERS = int(os.environ["TEST_FLEET_WORKERS"])
SEED = int(os.environ["TEST_FLEET_SEED"]) or random.SystemRandom().randrange(1, 1 << 32)
ACCOUNTS, DEVICES = 10, 7  # of each account
DRIFTED, MUTE, SILENT = 5, 3, 3  # of all devices
RARE = 0.01  # of all jobs are at devices that are mute, and as many at silent ones: such a device takes its time, one job after the other
OUTSTANDING = 60  # jobs that wait or run
STEP, REST = 12, 3.0  # jobs that end between two faults, and seconds: closures last minutes, however fast the machine is
LOGIN_TIMEOUT = 15  # seconds: ssh_login_timeout
RAISED = 100  # retries of a job that could go on without end
LAST_WORD = re.compile(r"\[([A-Z_]+)\]")


class Child:
    """A process that is killed and stopped, through a pidfd: a number may be another's by then."""

    def __init__(self, pid):
        self.pid, self.fd = pid, os.pidfd_open(pid)

    def send(self, what):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.fd, what)

    async def stop(self, seconds):
        self.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.send(signal.SIGCONT)


class FleetSite(Site):
    """A site whose Redis keeps what it holds, with a Secrets Manager."""

    redis_options = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction")

    def __init__(self, shared):
        super().__init__()
        with open(self.config) as file:
            settings = json.load(file)
        del settings["plugin_yaml_credential_file"]
        settings.update(credential_plugin="aws_secrets_manager", login_guard="redis", ssh_login_timeout=f"{LOGIN_TIMEOUT}s")
        with open(self.config, "w") as file:
            json.dump(settings, file)
        self.backend = boto3.client("secretsmanager")
        self.generations = collections.Counter()
        self.agent = None
        self.shared = os.path.join(self.directory, "shared", "agent.sock") if shared else ""
        if shared:
            os.mkdir(os.path.dirname(self.shared), 0o700)
            self.start_agent()

    def worker(self, name):
        """Starts a worker; one of the same name runs no more."""
        generation = self.generations[name] = self.generations[name] + 1
        changes = {"TOM_AGENT_SOCKET": self.shared} if self.shared else {}
        environ = self.environ(name, TOM_WORKER_CONCURRENCY="10", STAND_IN_SWEEP="15", STAND_IN_LEASE="15", **changes)
        worker = Worker(name, environ, self.directory, log=f"{name}-{generation}")
        self.workers = [other for other in self.workers if other.name != name] + [worker]
        return worker

    def start_agent(self):
        """The agent that all workers share, which a supervisor would start."""
        environ = self.environ("agent")
        with open(os.path.join(self.directory, "shared-agent.log"), "a") as log:
            self.agent = subprocess.Popen([environ["TOM_AGENT_PROGRAM"], "agent", "--socket", self.shared], env=environ, stderr=log)

    def end(self):
        """Ends all but Redis."""
        for worker in self.workers:
            worker.end()
        if self.agent:
            self.agent.terminate()
            self.agent.wait()

    def close(self):
        self.end()
        super().close()

    def agents(self):
        return [self.agent.pid] if self.shared else [pid for worker in self.workers for pid in worker.agent()]

    def providers(self):
        agents, found = set(self.agents()), []
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) in agents:
                    found.append(int(pid))
        return found

    def put(self, account, password):
        """Gives the secret of an account a new version."""
        value = json.dumps({"username": account.username, "password": password})
        name = f"tom/credentials/{account.id}"
        try:
            self.backend.put_secret_value(SecretId=name, SecretString=value)
        except self.backend.exceptions.ResourceNotFoundException:
            self.backend.create_secret(Name=name, SecretString=value)
        account.secret = password

    def host_example(self, *arguments):
        environ = self.environ("operator")
        return subprocess.run([environ["TOM_AGENT_PROGRAM"], *arguments], env=environ, capture_output=True, text=True, timeout=120)

    def left(self):
        """Processes that have this site's directory in their environment, but for this one."""
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
                if int(pid) != os.getpid() and os.fsencode(self.directory) in file.read():
                    yield int(pid)


class Fleet:
    """Submits jobs, and breaks what works on them."""

    def __init__(self, site, chance):
        self.site, self.chance = site, chance
        self.accounts = [Account(f"id{i}", f"{CANARY}id{i}-0-password") for i in range(ACCOUNTS)]
        kinds = ["drifted"] * DRIFTED + ["mute"] * MUTE
        kinds = chance.sample(kinds + ["good"] * (ACCOUNTS * DEVICES - len(kinds)), ACCOUNTS * DEVICES)
        self.devices = [FleetDevice(f"sw{i}", self.accounts[i % ACCOUNTS], kind, chance) for i, kind in enumerate(kinds)]
        for device in self.devices:
            site.devices.add(device)
        self.silent = [site.devices.start_silent() for _ in range(SILENT)]
        for account in self.accounts:
            site.put(account, account.secret)
        self.jobs, self.ended = {}, {}  # key -> (kind, device, command); key -> job
        self.aborting = {}  # key -> since when
        self.done = collections.Counter()  # faults and rotations
        self.tasks, self.rotating = set(), set()
        self.burst = []  # what the next jobs are at
        self.problem = None  # of a fault or a rotation that could not be made
        self.submitted, self.next_fault, self.rested = 0, STEP, 0.0
        self.limits = {"timeout": 20, "retries": 3}  # of jobs
        self.queue = None

    # Jobs

    async def submit(self, key, device, kind, number):
        adapter = self.chance.choice(list(ADAPTERS))
        words = f"show job {number}"
        account = device.account.id if kind != "silent" else self.chance.choice(self.accounts).id
        function, arguments = command(device, account, adapter, words)
        self.jobs[key] = kind, device, words
        # As Tom's controller does, but for the pauses between the attempts, which it lets grow without bound.
        arguments.update({"timeout": 12, "retries": 2} if kind in ("mute", "silent") else self.limits)
        await self.insist(lambda: self.queue.enqueue(function, key=key, retry_delay=0.2, retry_backoff=2.0, ttl=0, **arguments))

    async def insist(self, call):
        """Repeats a call while Redis is away."""
        while True:
            try:
                return await call()
            except (redis.ConnectionError, redis.TimeoutError, ConnectionError):
                await asyncio.sleep(0.1)

    async def work(self, jobs, targets, while_running=None, patience=400.0):
        """Has so many jobs worked off, and calls something each time that some have ended. It fails when none ends for so long: Tom
        holds the device of a worker that was killed for two minutes."""
        first, last, moved = self.submitted, self.submitted + jobs, time.monotonic()
        while self.submitted < last or len(self.ended) < self.submitted:
            while self.submitted < last and self.submitted - len(self.ended) < OUTSTANDING:
                kind, device = self.burst.pop() if self.burst else self.chance.choices(*targets)[0]
                await self.submit(f"job-{self.submitted}", device, kind, self.submitted)
                self.submitted += 1
            await asyncio.sleep(0.1)
            if self.problem:
                raise self.problem
            waiting = [key for key in self.jobs if key not in self.ended]
            found = await self.insist(lambda keys=waiting: self.queue.jobs(keys))
            for key, job in zip(waiting, found, strict=True):
                if job is None:
                    raise AssertionError(f"saq has forgotten {key}")
                if job.completed or self.endless(key, job) or await self.left_aborting(job):
                    self.ended[key], moved = job, time.monotonic()
            if time.monotonic() - moved > patience:
                kept = {
                    job.key: (job.status.value, job.attempts, await self.where(job))
                    for job in found
                    if job is not None and not job.completed
                }
                raise AssertionError(f"no job has ended for {patience} s; these are left: {kept}")
            if while_running is not None and self.submitted < last:
                await while_running(len(self.ended) - first)

    def endless(self, key, job):
        """Whether Tom goes on with a job for hours. Tom 1.4.8 adds the attempts that a job has waited for its device to its retries, and
        two jobs at a silent device wait for each other in turn."""
        return job.retries > RAISED and self.jobs[key][0] in ("mute", "silent")

    async def left_aborting(self, job):
        """Whether saq has left a job behind: a sweep takes it from all lists, waits for its end for 5 s, and puts it back. One that
        is killed in between, or cut off from Redis, doesn't."""
        if job.status != saq.Status.ABORTING or await self.insist(lambda: self.where(job)):
            self.aborting.pop(job.key, None)
            return False
        return time.monotonic() - self.aborting.setdefault(job.key, time.monotonic()) > 15

    async def where(self, job):
        """Which of saq's lists have a job."""
        lists = {"queued": self.queue._queued, "active": self.queue._active}
        found = [name for name, key in lists.items() if await self.queue.redis.lpos(key, job.id) is not None]
        return found + (["incomplete"] if await self.queue.redis.zscore(self.queue._incomplete, job.id) is not None else [])

    def targets(self):
        """What jobs are at, and how often."""
        all = [(device.kind, device) for device in self.devices] + [("silent", port) for port in self.silent]
        often = {"mute": RARE / MUTE, "silent": RARE / SILENT}
        return all, [often.get(kind, (1 - 2 * RARE) / (len(all) - MUTE - SILENT)) for kind, _ in all]

    # Faults

    async def chaos(self, ended):
        """A fault or a rotation for each STEP jobs."""
        if ended < self.next_fault or time.monotonic() < self.rested:
            return
        self.next_fault, self.rested = ended + STEP, time.monotonic() + REST
        await self.chance.choices(
            [self.worker_killed, self.stopped, self.agent_killed, self.provider_killed, self.redis_killed, self.rotation],
            [12, 20, 12, 12, 4, 40],
        )[0]()

    def note(self, what):
        for account in self.accounts:
            account.note(what)

    def later(self, name, coroutine):
        self.done[name] += 1
        self.note(name)
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.over)

    def over(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.problem = task.exception()

    def up(self):
        return [worker for worker in self.site.workers if worker.process.poll() is None and "Starting worker (" in worker.said()]

    async def worker_killed(self):
        if len(up := self.up()) > WORKERS // 2:
            worker = self.chance.choice(up)
            Child(worker.process.pid).send(signal.SIGKILL)
            worker.process.wait()
            self.site.worker(worker.name)
            self.done["workers killed"] += 1
            self.note("a worker is killed")

    async def stopped(self):
        """Less time than a permit has: one that is stopped for longer may show a password late."""
        name, pids = self.chance.choice(
            [
                ("workers", [worker.process.pid for worker in self.up()]),
                ("agents", self.site.agents()),
                ("providers", self.site.providers()),
            ]
        )
        if pids:
            with contextlib.suppress(ProcessLookupError):
                self.later(f"{name} stopped", Child(self.chance.choice(pids)).stop(self.chance.uniform(0.5, 6)))

    async def agent_killed(self):
        if pids := self.site.agents():
            with contextlib.suppress(ProcessLookupError):
                Child(self.chance.choice(pids)).send(signal.SIGKILL)
                self.done["agents killed"] += 1
                self.note("an agent is killed")
            if self.site.shared:
                await asyncio.to_thread(self.site.agent.wait)
                self.site.start_agent()

    async def provider_killed(self):
        if pids := self.site.providers():
            with contextlib.suppress(ProcessLookupError):
                Child(self.chance.choice(pids)).send(signal.SIGKILL)
                self.done["providers killed"] += 1
                self.note("a provider is killed")

    async def redis_killed(self):
        """What it has answered is in its file, or guard.md's P8 holds: the last second may be lost."""
        self.site.redis.kill()
        self.site.redis.wait()
        self.done["Redis killed"] += 1
        for account in self.accounts:
            account.excuse(2)
        self.note("Redis is killed")
        await asyncio.sleep(self.chance.uniform(0, 3))
        await asyncio.to_thread(self.site.start_redis)

    # Rotations

    async def rotation(self):
        free = [account for account in self.accounts if account not in self.rotating and not account.row]
        if free:
            account = self.chance.choice(free)
            kind = self.chance.choice([self.secret_first, self.staged, self.devices_first, self.wrong_secret, self.back, self.same_again])
            self.rotating.add(account)
            # A few jobs now and then would meet it seldom.
            self.burst = 2 * [(device.kind, device) for device in account.devices if device.kind != "mute"]
            self.later(f"rotations: {kind.__doc__}", self.rotate(kind, account))

    async def rotate(self, kind, account):
        account.note(kind.__doc__)
        await kind(account)
        # No other rotation follows before this one was noticed: three wrong passwords are more than is promised.
        accepted = account.accepted
        while account.accepted < accepted + 3 and self.submitted < JOBS:
            await asyncio.sleep(0.2)
        self.rotating.discard(account)

    async def put(self, account, password):
        account.note(f"secret {password[7:]}")
        account.excuse(1, password)  # P9: a new version with the same password gets one try at once
        await asyncio.to_thread(self.site.put, account, password)

    def move(self, account, password, devices=None):
        for device in account.devices if devices is None else devices:
            if device.kind == "good":
                device.password = password
                account.note(f"{device.name} has {password[7:]}")

    async def secret_first(self, account):
        """secret first, devices later"""
        password = account.next()
        await self.put(account, password)
        await asyncio.sleep(self.chance.uniform(0.5, 6))
        self.move(account, password)

    async def staged(self, account):
        """secret first, devices one by one"""
        password = account.next()
        await self.put(account, password)
        for device in self.chance.sample(account.devices, len(account.devices)):
            await asyncio.sleep(self.chance.uniform(0.2, 2))
            self.move(account, password, [device])

    async def devices_first(self, account):
        """devices first, secret seconds later"""
        password = account.next()
        self.move(account, password)
        await asyncio.sleep(self.chance.uniform(0.5, 6))
        await self.put(account, password)

    async def wrong_secret(self, account):
        """wrong secret, then the right one"""
        right = account.secret
        await self.put(account, account.next())
        await asyncio.sleep(self.chance.uniform(2, 8))
        await self.put(account, right)

    async def back(self, account):
        """to B and back to A"""
        before = account.secret
        await self.devices_first(account)
        await asyncio.sleep(self.chance.uniform(2, 6))
        self.move(account, before)
        await self.put(account, before)

    async def same_again(self, account):
        """a new version with the same password"""
        await self.put(account, account.secret)


class FleetTest(unittest.TestCase):
    def setUp(self):
        print(f"seed {SEED}", flush=True)

    def test_agent_each(self):
        self.play(False)

    def test_shared_agent(self):
        self.play(True)

    def play(self, shared):
        self.started = time.monotonic()
        self.site = FleetSite(shared)
        self.addCleanup(self.site.close)
        self.fleet = Fleet(self.site, random.Random(SEED))
        for i in range(WORKERS):
            self.site.worker(f"worker{i}")
        asyncio.run(self.run_fleet())
        self.end()

    async def run_fleet(self):
        fleet = self.fleet
        fleet.queue = saq.Queue.from_url(f"redis://127.0.0.1:{self.site.redis_port}/0")
        await fleet.queue.connect()
        try:
            await self.eventually("the workers start", lambda: len(fleet.up()) == WORKERS, 300)
            await fleet.work(JOBS, fleet.targets(), fleet.chaos)
            await asyncio.gather(*fleet.tasks)
            self.figures(fleet)
            await self.quiet(fleet)
        finally:
            for task in fleet.tasks:
                task.cancel()
            await fleet.queue.disconnect()

    async def eventually(self, what, happened, seconds=60):
        end = time.monotonic() + seconds
        while not happened():
            self.assertLess(time.monotonic(), end, what)
            await asyncio.sleep(0.1)

    async def quiet(self, fleet):
        """After the chaos, with the quarantines lifted, all jobs at good devices are done, and nothing has grown."""
        await self.eventually("the workers are up again", lambda: len(fleet.up()) == WORKERS, 300)
        listed = await asyncio.to_thread(self.site.host_example, "quarantine", "list")
        self.assertRegex(listed.stdout, "id[0-9]", listed.stderr)  # the drifted devices
        for account in fleet.accounts:
            lifted = await asyncio.to_thread(self.site.host_example, "quarantine", "lift", account.id)
            self.assertTrue(lifted.returncode == 0 or "NOT_QUARANTINED" in lifted.stderr, lifted.stderr)
        good = ([(device.kind, device) for device in fleet.devices if device.kind == "good"],)
        fleet.burst.clear()
        fleet.limits = {"timeout": 60, "retries": 5}  # what isn't done is no busy machine's fault
        sizes, swept = [], 0
        for _ in range(2):
            before = fleet.submitted
            await fleet.work(max(60, JOBS // 20), good)
            for key in list(fleet.jobs)[before:]:
                job, device = fleet.ended[key], fleet.jobs[key][1]
                if job.status == "aborted" and job.error == "swept":
                    swept += 1  # saq's sweep takes also jobs that a worker has just fetched and not marked yet
                elif job.status != "complete":
                    self.fail(f"{key} after the chaos: {job.error}\n{device.name}\n{device.account.story()}")
            sizes.append({pid: size(pid) for pid in [*self.site.agents(), *(worker.process.pid for worker in self.site.workers)]})
        self.assertLessEqual(swept, 3, "jobs that saq has swept up in quiet times")
        self.assertLessEqual(set(sizes[0]), set(sizes[1]), "processes have ended in quiet times")
        for pid, (descriptors, memory) in sizes[0].items():
            print(f"process {pid}: {descriptors} -> {sizes[1][pid][0]} descriptors, {memory} -> {sizes[1][pid][1]} MiB")
            self.assertLessEqual(sizes[1][pid][0], descriptors + 10, "descriptors")
            self.assertLessEqual(sizes[1][pid][1], memory * 1.2 + 8, "memory")

    def figures(self, fleet):
        """What was counted, and what must hold."""
        states, lost, repeated = collections.Counter(), collections.Counter(), 0
        for key, (kind, device, words) in fleet.jobs.items():
            job = fleet.ended[key]
            states[kind, job.status.value] += 1
            if not fleet.endless(key, job):
                self.assertIn(job.status.value, ("complete", "failed", "aborted", "aborting"))
            if job.status == "complete":
                self.assertEqual(job.result["data"], {words: f"{words} at {device.name}"})
            elif kind == "good":
                word = LAST_WORD.findall(job.error or "")
                said = (job.error or "no error").strip().splitlines()[-1]
                lost[word[-1] if word else re.sub(r"\d{2,}", "N", said)[:120]] += 1
                if word and word[-1] in ("REQUEST_INVALID", "INTERNAL", "PROVIDER_MISBEHAVED", "SETTINGS_INVALID"):
                    print(job.error)
            if kind not in ("silent", "mute"):
                repeated += device.commands[words] > 1
        accounts = fleet.accounts
        rows = [(account.id, *row) for account in accounts for row in account.failed_rows()]
        lengths = collections.Counter(length for _, _, length, _ in rows)
        print(f"time {time.monotonic() - self.started:.0f} s, {len(fleet.jobs)} jobs, seed {SEED}")
        for name, table in (("jobs", states), ("good jobs that weren't done", lost), ("faults", fleet.done)):
            print(name + ": " + ", ".join(f"{' '.join(key) if isinstance(key, tuple) else key} {n}" for key, n in sorted(table.items())))
        print(f"commands that ran more than once: {repeated}")
        print(f"logins accepted {sum(a.accepted for a in accounts)}, refused {sum(a.refused for a in accounts)}")
        print("failed logins with one password: " + ", ".join(f"{length} in a row {n} times" for length, n in sorted(lengths.items())))
        print("refusals of any password in a row, most by account: " + " ".join(str(a.longest) for a in accounts))
        print(f"one password refused by one device, at most: {max((n for d in fleet.devices for n in d.shown.values()), default=0)}")
        for account in accounts:
            if account.locked or any(length > promised for _, length, promised in account.failed_rows()):
                print(f"{account.id}:\n{account.story()}")
        self.assertEqual([a.id for a in accounts if a.locked], [], "accounts are locked")
        broken = [(*row[:1], row[1].removeprefix(CANARY), *row[2:]) for row in rows if row[2] > row[3]]
        self.assertEqual(broken, [], "rows longer than promised: account, password, length, promise")
        left = sum(n for (_, state), n in states.items() if state == "aborting")
        self.assertLessEqual(left, 2 * (fleet.done["workers killed"] + fleet.done["Redis killed"]), "jobs that saq has left behind")
        self.assertGreater(states["good", "complete"], 0.3 * sum(n for (kind, _), n in states.items() if kind == "good"), "jobs done")
        self.assertEqual(states["drifted", "complete"] + states["mute", "complete"] + states["silent", "complete"], 0)
        self.assertGreater(sum(a.refused for a in accounts), 0, "no rotation was noticed")

    def end(self):
        """Nothing is left of the fleet, and no secret anywhere."""
        held = self.site.dump() + b"".join(map(read, glob.glob(os.path.join(self.site.directory, "appendonlydir", "*"))))
        self.assertGreater(len(held), 10_000)
        self.assertNotIn(CANARY.encode(), held, "Redis holds a secret")
        self.site.end()
        redis_server = self.site.redis.pid
        asyncio.run(self.eventually("processes are left", lambda: set(self.site.left()) <= {redis_server}))
        for path in glob.glob(os.path.join(self.site.directory, "*", "tmp", "*")):
            self.fail(f"left: {path}")
        for path in glob.glob(os.path.join(self.site.directory, "*.log")) + glob.glob(self.site.directory + "/*/tom-agent/*"):
            self.assertNotIn(CANARY.encode(), read(path), f"{path} holds a secret")
            self.assertRegex(path, r"\.(log|lock|key)$", "left")


def size(pid):
    """A process's descriptors, and its memory in MiB."""
    with open(f"/proc/{pid}/statm") as file:
        return len(os.listdir(f"/proc/{pid}/fd")), int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def read(path):
    with open(path, "rb") as file:
        return file.read()


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
