"""Has Tom's workers do jobs, as Tom's controller does: reads lines {"ports": [...], "credential": id}, and answers each job's end with a
line on stdout. The argument is the URL of the Redis. "make demo-fleet" runs it."""

import asyncio
import json
import sys

import saq


async def work(queue, number, port, credential):
    model = {"host": "127.0.0.1", "port": port, "device_type": "cisco_ios", "commands": ["show version"], "use_cache": False}
    model["credential"] = {"type": "stored", "credential_id": credential}
    job = await queue.enqueue("send_commands_netmiko", json=json.dumps(model), timeout=20, retries=3, retry_delay=0.2, retry_backoff=1.0)
    while not job.completed:
        await asyncio.sleep(0.1)
        await job.refresh()
    print(json.dumps({"number": number, "status": job.status.value, "error": (job.error or "").strip().rpartition("\n")[2]}), flush=True)


async def main():
    queue = saq.Queue.from_url(sys.argv[1])
    await queue.connect()
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            await asyncio.gather(*(work(queue, i, port, asked["credential"]) for i, port in enumerate(asked["ports"])))
    finally:
        await queue.disconnect()


asyncio.run(main())
