"""Does a command at each device of a list, so many at a time, as host-example run does. Arguments: library, password, concurrency, ports."""
import asyncio, concurrent.futures, logging, sys

logging.disable(logging.CRITICAL)
LIBRARY, PASSWORD, CONCURRENCY = sys.argv[1], sys.argv[2], int(sys.argv[3])
PORTS = [int(port) for port in sys.argv[4].split(",")]
COMMAND, EXPECTED = "show version", sys.argv[5]


def netmiko(port):
    from netmiko import ConnectHandler
    with ConnectHandler(device_type="cisco_ios", host="127.0.0.1", port=port, username="admin", password=PASSWORD) as connection:
        return connection.send_command(COMMAND)


async def scrapli(port):
    from scrapli.driver.core import AsyncIOSXEDriver
    async with AsyncIOSXEDriver(host="127.0.0.1", port=port, auth_username="admin", auth_password=PASSWORD, auth_strict_key=False, transport="asyncssh") as connection:
        return (await connection.send_command(COMMAND)).result


async def bare(port):
    import asyncssh
    async with asyncssh.connect("127.0.0.1", port=port, username="admin", password=PASSWORD, known_hosts=None) as connection:
        return (await connection.run(COMMAND)).stdout


async def main(do):
    turns = asyncio.Semaphore(CONCURRENCY)

    async def one(port):
        async with turns:
            return await do(port)
    return await asyncio.gather(*[one(port) for port in PORTS])

if LIBRARY == "netmiko":
    with concurrent.futures.ThreadPoolExecutor(CONCURRENCY) as pool:
        outputs = list(pool.map(netmiko, PORTS))
else:
    outputs = asyncio.run(main({"scrapli": scrapli, "asyncssh": bare}[LIBRARY]))
wrong = [output for output in outputs if EXPECTED not in output]
if wrong:
    sys.exit(f"{len(wrong)} of {len(outputs)} outputs are wrong: {wrong[0]!r}")
