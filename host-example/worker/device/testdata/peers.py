"""Reads each device of the list on stdin with netmiko and scrapli, all at a time, and prints what each read for each command."""
import asyncio, concurrent.futures, json, logging, sys

logging.disable(logging.CRITICAL)
USER, PASSWORD, LIMIT, SHORT = "admin", sys.argv[1], float(sys.argv[2]), 4.0
devices = json.load(sys.stdin)


def of_netmiko(device, limit):
    from netmiko import ConnectHandler
    with ConnectHandler(device_type=device["kind"], host="127.0.0.1", port=device["port"], username=USER, password=PASSWORD,
                        conn_timeout=limit, banner_timeout=limit, auth_timeout=limit, read_timeout_override=limit / 3) as connection:
        return [connection.send_command(command) for command in device["commands"]]


async def of_scrapli(device, limit):
    from scrapli.driver.generic import AsyncGenericDriver
    async with AsyncGenericDriver(host="127.0.0.1", port=device["port"], auth_username=USER, auth_password=PASSWORD, auth_strict_key=False,
                                  transport="asyncssh", timeout_socket=limit, timeout_transport=limit, timeout_ops=limit / 2,
                                  comms_prompt_pattern=r"^[^\s#%!*].{0,90}[#>$\]]\s*$") as connection:
        return [(await connection.send_command(command)).result for command in device["commands"]]


async def main():
    loop = asyncio.get_running_loop()
    pool = concurrent.futures.ThreadPoolExecutor(len(devices))
    turns = asyncio.Semaphore(12)  # handshakes of all at once would outlast the limits

    async def attempt(peer, device):
        async with turns:
            try:
                limit = SHORT if device["short"][peer == "scrapli"] else LIMIT
                read = loop.run_in_executor(pool, of_netmiko, device, limit) if peer == "netmiko" else of_scrapli(device, limit)
                return await asyncio.wait_for(read, 2 * limit)
            except BaseException as e:
                return type(e).__name__

    tasks = {(peer, d["name"]): asyncio.create_task(attempt(peer, d)) for d in devices for peer in ("netmiko", "scrapli")}
    result = {}
    for (peer, name), task in tasks.items():
        result.setdefault(name, {})[peer] = await task
    print(json.dumps(result), flush=True)
    pool.shutdown(wait=False, cancel_futures=True)
    import os
    os._exit(0)  # threads of netmiko may still wait

asyncio.run(main())
