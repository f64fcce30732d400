"""What every verb means, once: generators over plain data, neither sync nor async.

An operation opens its slots, yields commands (`Record`, `Ask`, `Call`, `Transact`, `Park`) and gets back what
they brought. `drive` and `adrive` carry the commands to whoever performs them. Nothing here knows Django, asyncio or
threads.
"""
