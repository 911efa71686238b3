"""A Modbus server of pymodbus: `pymodbus_server.py tcp|rtu-tcp|rtu [PATH]`, memory from standard input as JSON.

Says its port (0 for a serial line) once it listens.
"""
import asyncio
import json
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.framer.rtu_framer import ModbusRtuFramer
from pymodbus.framer.socket_framer import ModbusSocketFramer
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer


async def main():
    kind = sys.argv[1]
    image = json.load(sys.stdin)
    unit = ModbusSlaveContext(
        co=ModbusSequentialDataBlock(0, image["coils"]),
        di=ModbusSequentialDataBlock(0, image["discrete"]),
        hr=ModbusSequentialDataBlock(0, image["holding"]),
        ir=ModbusSequentialDataBlock(0, image["input"]),
        zero_mode=True,
    )
    context = ModbusServerContext(slaves={1: unit}, single=False)
    if kind == "rtu":
        server = ModbusSerialServer(context, framer=ModbusRtuFramer, port=sys.argv[2], baudrate=19200)
        await server.start()
        print("port 0", flush=True)
        await server.serve_forever()
        return
    framer = ModbusRtuFramer if kind == "rtu-tcp" else ModbusSocketFramer
    server = ModbusTcpServer(context, framer=framer, address=("127.0.0.1", 0))
    serving = asyncio.ensure_future(server.serve_forever())
    while server.server is None or not server.server.sockets:
        await asyncio.sleep(0.01)
    print(f"port {server.server.sockets[0].getsockname()[1]}", flush=True)
    await serving


asyncio.run(main())
