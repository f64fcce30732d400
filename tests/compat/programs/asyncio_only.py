# ruff: noqa
# fmt: off
import asyncio
from dbos import DBOS, DBOSConfig

config: DBOSConfig = {
    "name": "dbos-app"
}
DBOS(config=config)


async def main():
    DBOS.launch()
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
