import { createServer } from 'node:net'
import { goodAnswer, requestReader } from './modbus-wire.ts'

// A Modbus server in a process of its own, so that it can be stopped as a whole. Few may wait to be accepted meanwhile.
const server = createServer(socket => {
  socket.on('error', () => {})
  const read = requestReader('mbap', request => void socket.write(goodAnswer(request)))
  socket.on('data', read)
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () =>
  console.log((server.address() as { port: number }).port),
)
