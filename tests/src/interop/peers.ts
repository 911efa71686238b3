import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import jsmodbus from 'jsmodbus'
import type { Image } from './image.ts'

/** A server that this project did not write. */
export interface Peer {
  /** 0 for a serial line. */
  readonly port: number
  /** Function codes of the requests, as the peer itself says, where it does. */
  readonly functions: readonly number[]
  stop(): Promise<void>
}

const PYTHON = '/usr/bin/python3'
const SOCAT = '/usr/bin/socat'

/** What is missing of the peers from Debian, as its packages; empty: nothing. */
export const missingPackages = (): string[] => {
  const runs = (file: string, ...argv: string[]): boolean => {
    try {
      execFileSync(file, argv, { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }
  const missing = [
    ...(existsSync(SOCAT) ? [] : ['socat']),
    ...(existsSync('/usr/include/modbus/modbus.h') ? [] : ['libmodbus-dev']),
    ...(runs('cc', '--version') ? [] : ['gcc', 'libc6-dev']),
    ...(runs(PYTHON, '-c', 'import pymodbus, serial_asyncio') ? [] : ['python3-pymodbus', 'python3-serial-asyncio']),
  ]
  if (missing.length > 0 && process.env.REQUIRE_TOOLS !== undefined) {
    throw new Error(`Modbus peers are required (Debian: apt-get install ${missing.join(' ')})`)
  }
  return missing
}

/** jsmodbus, from npm, in this process. */
export const startJsmodbus = async ({ coils, discrete, holding, input }: Image): Promise<Peer> => {
  const server = createServer()
  const functions: number[] = []
  server.on('connection', socket => socket.on('error', () => {}))
  const modbus = new jsmodbus.server.TCP(server, {
    coils: packBits(coils),
    discrete: packBits(discrete),
    holding: packWords(holding),
    input: packWords(input),
  })
  modbus.on('connection', (client: { socket: { on(event: string, listener: (chunk: Buffer) => void): void } }) =>
    client.socket.on('data', chunk => functions.push(chunk[7] as number)),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    functions,
    stop: () => new Promise(resolve => server.close(() => resolve())),
  }
}

const packBits = (bits: readonly number[]): Buffer => {
  const octets = Buffer.alloc(Math.ceil(bits.length / 8))
  for (const [at, bit] of bits.entries()) octets[at >> 3] = (octets[at >> 3] as number) | (bit << (at & 7))
  return octets
}

const packWords = (words: readonly number[]): Buffer => {
  const octets = Buffer.alloc(words.length * 2)
  for (const [at, word] of words.entries()) octets.writeUInt16BE(word, at * 2)
  return octets
}

/** libmodbus, in C, compiled into `dir`. @param path of a serial line; absent: Modbus TCP. */
export const startLibmodbus = async (image: Image, dir: string, path?: string): Promise<Peer> => {
  const program = join(dir, 'libmodbus-server')
  if (!existsSync(program)) {
    const source = join(import.meta.dirname, 'libmodbus-server.c')
    execFileSync('cc', ['-Wall', '-o', program, source, '-I/usr/include/modbus', '-lmodbus'])
  }
  const memory = [image.coils, image.discrete, image.holding, image.input].map(cells => `${cells.join(' ')}\n`).join('')
  return startProcess(program, path === undefined ? ['tcp'] : ['rtu', path, '1'], memory)
}

/** pymodbus. @param path of a serial line, for `rtu`. */
export const startPymodbus = (image: Image, kind: 'tcp' | 'rtu-tcp' | 'rtu', path?: string): Promise<Peer> => {
  const script = join(import.meta.dirname, 'pymodbus_server.py')
  return startProcess(PYTHON, [script, kind, ...(path === undefined ? [] : [path])], JSON.stringify(image))
}

/** The golden vectors of edge-agent as the installed pymodbus would write them now. */
export const goldenNow = (script: string): string => execFileSync(PYTHON, [script], { encoding: 'utf8' })

const START_MAX_MS = 15_000

const startProcess = async (file: string, argv: readonly string[], input: string): Promise<Peer> => {
  const child = spawn(file, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(input)
  const functions: number[] = []
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${file}: no port in ${START_MAX_MS} ms`)), START_MAX_MS)
    child.once('exit', code => reject(new Error(`${file}: ended with ${code}`)))
    child.once('error', reject)
    createInterface(child.stdout).on('line', line => {
      const [word, number] = line.split(' ')
      if (word === 'function') functions.push(Number(number))
      if (word !== 'port') return
      clearTimeout(timer)
      resolve(Number(number))
    })
  })
  return { port, functions, stop: () => end(child) }
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Two pseudo-terminals that are one serial line. */
export const openSerialLine = async (dir: string) => {
  const [near, far] = [join(dir, 'near'), join(dir, 'far')] as const
  const child = spawn(SOCAT, [`pty,raw,echo=0,link=${near}`, `pty,raw,echo=0,link=${far}`], { stdio: 'ignore' })
  const deadline = performance.now() + START_MAX_MS
  while (!existsSync(near) || !existsSync(far)) {
    if (performance.now() > deadline) throw new Error('socat made no pseudo-terminals')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return { near, far, stop: () => end(child) }
}
