import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SerialPort } from 'serialport'
import { noteRequest } from './modbus-support.ts'
import { type Request, requestReader } from './modbus-wire.ts'

const PLACES = ['/usr/bin/socat', '/usr/local/bin/socat', '/opt/homebrew/bin/socat']

/** Where socat is, or undefined. With `REQUIRE_TOOLS` set its absence is a failure, so that no check passes by not having looked. */
export const findSocat = (): string | undefined => {
  const found = PLACES.find(file => existsSync(file))
  if (found === undefined && process.env.REQUIRE_TOOLS !== undefined) {
    throw new Error('socat is required (Debian: apt-get install socat)')
  }
  return found
}

/** A serial line between two pseudo-terminals, `near` and `far`; unplugged, it can be plugged in again. */
export const openPty = async (socat: string) => {
  const dir = mkdtempSync(join(tmpdir(), 'nakama-pty-'))
  const [near, far] = [join(dir, 'near'), join(dir, 'far')] as const
  let unplug: () => Promise<void>
  const plug = async (): Promise<void> => {
    const child = spawn(socat, [`pty,raw,echo=0,link=${near}`, `pty,raw,echo=0,link=${far}`], { stdio: 'ignore' })
    const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
    unplug = () => {
      child.kill()
      return gone
    }
    const deadline = performance.now() + 5_000
    while (!existsSync(near) || !existsSync(far)) {
      if (performance.now() > deadline) throw new Error('socat made no pseudo-terminals in 5 s')
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  await plug()
  return {
    near,
    far,
    plug,
    unplug: () => unplug(),
    async stop() {
      await unplug()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** The units at the far end of a line. What `answer` returns is written as it is; undefined: no answer. */
export const serveSerial = async (path: string, answer: (request: Request) => Uint8Array | undefined) => {
  const requests: (Request & { readonly at: number })[] = []
  const port = new SerialPort({ path, baudRate: 115_200, autoOpen: false })
  await new Promise<void>((resolve, reject) => port.open(error => (error === null ? resolve() : reject(error))))
  port.on('error', () => {})
  const write = (octets: Uint8Array): void => void (port.isOpen && port.write(Buffer.from(octets)))
  const read = requestReader('rtu', request => {
    noteRequest(request)
    requests.push({ ...request, at: performance.now() })
    const reply = answer(request)
    if (reply !== undefined) write(reply)
  })
  port.on('data', read)
  return {
    requests,
    write,
    stop: () => new Promise<void>(resolve => (port.isOpen ? port.close(() => resolve()) : resolve())),
  }
}
