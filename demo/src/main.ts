import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { messageOf, NakamaError } from '@nakama/contract'
import { type DemoArgs, parseDemoArgs, USAGE } from './args.ts'
import { FLEET } from './fleet.ts'
import { claimFolder } from './folder.ts'
import { agentName, type Path, startPath, timesAt } from './path.ts'
import type { ProcessEvent } from './supervisor.ts'

// Standard output has the ready line and the result; what happens in between is told on standard error.
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const HEARD_WAIT_MS = 6_000
const NO_FAULTS_FIRST_MS = 120_000
/** Per machine and simulated day: about one drop-out a minute somewhere in the fleet. */
const MANY_FAULTS_PER_DAY = 120

const run = async (args: DemoArgs): Promise<void> => {
  await requireFree('--http-port', args.httpPort)
  await requireFree('--mqtt-port', args.mqttPort)
  const folder = args.data === undefined ? mkdtempSync(join(tmpdir(), 'nakama-demo-')) : resolve(args.data)
  const release = claimFolder(folder)
  const stopRequested = whenAskedToStop()
  const machines = FLEET.reduce((sum, shop) => sum + shop.machines.length, 0)
  say(
    `仲間まわし Nakama  工場${FLEET.length} 機械${machines}台 / ${FLEET.length} shops, ${machines} machines, seed ${args.seed}`,
  )
  let path: Path | undefined
  try {
    path = await startPath({
      folder,
      httpPort: args.httpPort,
      mqttPort: args.mqttPort,
      times: timesAt(args.speed),
      simulation: {
        seed: args.seed,
        speed: args.speed,
        faults: args.faults ? { fromMs: 0, perDay: MANY_FAULTS_PER_DAY } : { fromMs: NO_FAULTS_FIRST_MS },
      },
      onEvent: tell,
    })
    await untilHeard(path.url)
    process.stdout.write(`ready ${path.url}\n`)
    for (const line of pagesOf(path)) say(line)
    say(hint(args, folder))
    await Promise.race([stopRequested, ...(args.forMs === undefined ? [] : [after(args.forMs)])])
  } finally {
    say('終了中 / ending …')
    await path?.stop()
    release()
    if (args.data === undefined) rmSync(folder, { recursive: true, force: true })
  }
  process.stdout.write(`ended: ${machines} machines, ${path.restarts} restarts, no process left\n`)
}

const tell = (event: ProcessEvent): void => {
  if (event.type === 'ready') {
    const address = event.addresses.mqtt ?? event.addresses.http ?? ''
    say(`  ✓ ${event.name.padEnd(16)} ${address.padEnd(30)} ${(event.startMs / 1_000).toFixed(1)} s`)
  } else {
    const inS = (event.againInMs / 1_000).toFixed(1)
    say(`  ✗ ${event.name.padEnd(16)} 停止 (${event.how})、${inS} 秒後に再起動 / ended, again in ${inS} s`)
  }
}

/** The owner of a shop sees his own page, on his own Pi. */
const pagesOf = (path: Path): string[] => [
  '  工場の画面 / pages of the shops:',
  ...FLEET.map(({ shop }) => `    ${shop.padEnd(14)} ${path.addresses(agentName(shop)).http}`),
]

const hint = (args: DemoArgs, folder: string): string => {
  const end =
    args.forMs === undefined
      ? 'Ctrl-C で終了 / Ctrl-C ends it'
      : `${args.forMs / 1_000} 秒後に終了 / ends after ${args.forMs / 1_000} s`
  return `  ${end}  ログ / logs: ${join(folder, 'log')}`
}

/** The board is worth opening once the machines have been heard; but a machine that says nothing holds nobody up. */
const untilHeard = async (url: string): Promise<void> => {
  const deadline = performance.now() + HEARD_WAIT_MS
  while (performance.now() < deadline) {
    const answer = await fetch(`${url}/api/v1/machines`).catch(() => undefined)
    if (answer?.ok) {
      const { machines } = (await answer.json()) as { machines: { state: string }[] }
      if (machines.every(({ state }) => state !== 'OFFLINE')) return
    }
    await after(100)
  }
}

const requireFree = (option: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', error => {
      const advice = `give ${option} another one, or 0 for any free one`
      reject(
        new NakamaError('DEMO_PORT_TAKEN', `${option}: port ${port} cannot be used (${messageOf(error)}); ${advice}`),
      )
    })
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()))
  })

const whenAskedToStop = (): Promise<void> =>
  new Promise(resolve => {
    // Asked twice the answer is the same: children are ended in order, within a few seconds.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
    // Whoever read our output is gone (`| head`): nobody is left to show anything to.
    for (const output of [process.stdout, process.stderr]) output.on('error', () => resolve())
  })

try {
  const args = parseDemoArgs(process.argv.slice(2))
  if (args.help) process.stdout.write(USAGE)
  else await run(args)
} catch (error) {
  if (!(error instanceof NakamaError)) throw error
  say(`${error.code}: ${error.message}`)
  process.exitCode = error.code === 'DEMO_BAD_ARGUMENT' ? 2 : 1
}
// The timer of --for may still be waiting when Ctrl-C came first.
process.exit()
