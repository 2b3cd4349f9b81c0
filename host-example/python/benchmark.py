"""What a worker's event loop, its start and its memory cost with the agent, beside boto3 in the worker's process.

It prints a line for each measure: its name, and a number. The Go benchmark beside it starts it, in a Python with boto3, and says in
the environment where the parts are. How often it measures, and in which order the sides come, is by chance.
"""

import asyncio
import concurrent.futures
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

IDS = [f"id{i}" for i in range(100)]


def boto3_client():
    import boto3

    return boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=os.environ["TEST_ENDPOINT"])


async def stall(read, jobs):
    """The longest time, in milliseconds, for which the event loop did nothing else while jobs read."""
    longest, done = 0.0, False

    async def tick():
        nonlocal longest
        while not done:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before - 0.001)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.05)
    longest = 0.0
    await asyncio.gather(*map(read, IDS[:jobs]))
    await asyncio.sleep(0.005)
    done = True
    await ticking
    return longest * 1000


async def stalls(turns):
    from tom_credential import agent

    client = boto3_client()

    async def blocking(id):
        client.get_secret_value(SecretId=f"tom/credentials/{id}")

    async def threaded(id):
        await asyncio.to_thread(client.get_secret_value, SecretId=f"tom/credentials/{id}")

    found = {}
    async with agent.connect_async(environ=dict(os.environ, TOM_WORKER_CREDENTIAL_CACHE_TTL="0s")) as asking:
        await asking.get(IDS[0], timeout=60)
        await threaded(IDS[0])

        async def ours(id):
            await asking.get(id)

        sides = {"agent": ours, "boto3 in a thread": threaded, "boto3 on the loop": blocking}
        for jobs in (10, 100):
            for _ in range(turns):
                for name in random.sample(list(sides), len(sides)):
                    if name == "boto3 on the loop" and jobs > 10:
                        continue  # it is as long as all calls together
                    found.setdefault(f"stall, {jobs} jobs, {name} (ms)", []).append(await stall(sides[name], jobs))
    return found


def reads(turns):
    """Microseconds of a cached read, beside a request of the library requests to a peer: the Go benchmark says which."""
    import requests

    from tom_credential import agent

    found = {}
    with agent.connect() as client, requests.Session() as session:
        client.get(IDS[0], timeout=60)
        session.headers["X-Aws-Parameters-Secrets-Token"] = os.environ["TEST_HTTP_TOKEN"]
        sides = {"agent": lambda: client.get(IDS[0]), "requests": lambda: session.get(os.environ["TEST_HTTP"]).json()["SecretString"]}
        for _ in range(turns):
            for name in random.sample(list(sides), len(sides)):
                started = time.perf_counter()
                for _ in range(200):
                    sides[name]()
                found.setdefault(f"cached read, {name} (us)", []).append((time.perf_counter() - started) / 200 * 1e6)
    return found


def found_again(turns):
    """The longest time, in milliseconds, from when a new agent listens to the answer of a call that waits for it."""
    import grpc

    from tom_credential import agent, wire

    answer = wire.v1.GetCredentialResponse()
    answer.credential.username = "admin"
    method = grpc.unary_unary_rpc_method_handler(
        lambda *_: answer,
        request_deserializer=wire.v1.GetCredentialRequest.FromString,
        response_serializer=wire.v1.GetCredentialResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(wire.PROVIDER, {"GetCredential": method})
    found = []
    with tempfile.TemporaryDirectory(dir="/tmp") as directory, concurrent.futures.ThreadPoolExecutor(4) as threads:
        socket = os.path.join(directory, "agent.sock")
        with agent.connect(socket) as client:
            for _ in range(turns):
                waiting = threads.submit(client.get, IDS[0], timeout=60)
                time.sleep(random.uniform(0.2, 2))  # the tries are further apart after some
                server = grpc.server(threads, [handler])
                server.add_insecure_port("unix:" + socket)
                started = time.perf_counter()
                server.start()
                waiting.result()
                found.append((time.perf_counter() - started) * 1000)
                server.stop(None).wait()
    return {"new agent found, longest (ms)": [max(found)]}


STARTS = {
    "agent": "from tom_credential import agent\nagent.connect().get('id0', timeout=60)",
    "boto3": "import benchmark\nbenchmark.boto3_client().get_secret_value(SecretId='tom/credentials/id0')",
}


def starts(turns):
    """Milliseconds from exec to the first credential, with an agent that runs, and what the process has in memory then."""
    found = {}
    for _ in range(turns):
        for name in random.sample(list(STARTS), len(STARTS)):
            script = STARTS[name] + "\nprint(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])"
            started = time.perf_counter()
            said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
            found.setdefault(f"start, {name} (ms)", []).append((time.perf_counter() - started) * 1000)
            found.setdefault(f"memory, {name} (MiB)", []).append(int(said.stdout) / 1024)
    return found


if __name__ == "__main__":
    turns = int(os.environ.get("TURNS", "1"))
    for name, values in {**asyncio.run(stalls(turns)), **reads(turns), **found_again(turns), **starts(turns)}.items():
        print(f"{name}\t{statistics.median(values):.1f}")
