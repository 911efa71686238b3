import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pass } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { agentName, type DemoShop, startPath } from '@nakama/demo'
import { type ModelName, signalsOf } from '@nakama/simulators'
import { usageOf } from '../process-usage.ts'
import { until } from '../until.ts'
import { mountCard } from './card.ts'
import { median, type Row } from './row.ts'

const SHOP = 'bench'
const MACHINES = 20
const POLL_MS = 500
const MIB = 1024 * 1024
/** design.md, section 9: what the agent may cost. */
const TARGETS = { cpu: 0.15, bytesPerDay: 1e9, rssBytes: { modbus: 70 * MIB, mixed: 120 * MIB } } as const
const SAMPLE_MS = 1_000
const SETTLE_MS = 15_000
const LAST_MINUTE = 60
const DAY_MS = 86_400_000
/** Room for the journal that the demo gives an agent. */
const CARD_BYTES = 256 * MIB

type Kind = keyof typeof TARGETS.rssBytes

/**
 * The agent as it is packaged, with machines of which it reads 500 values a second and records what is to be recorded, on the
 * whole path. Linux only: proc(5) tells memory and processor; what reaches the card is told by a disk of its own, which takes root.
 */
export const benchEdge = async (seconds: number, say: (line: string) => void): Promise<Row[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-bench-'))
  try {
    say('packaging the agent')
    const agentMain = unpackAgent(folder)
    const rows: Row[] = []
    for (const kind of ['modbus', 'mixed'] as const)
      rows.push(...(await measure(kind, agentMain, folder, seconds, say)))
    return rows
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const unpackAgent = (folder: string): string => {
  const main = fileURLToPath(new URL('../../../deploy/src/agent/main.ts', import.meta.url))
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const args = [main, '--arch', arch, '--out', folder, '--compression', 'none']
  const file = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  execFileSync('dpkg-deb', ['--extract', file, join(folder, 'agent')])
  return join(folder, 'agent/usr/lib/nakama-agent/main.js')
}

const shopOf = (kind: Kind): DemoShop => {
  const modelOf = (index: number): ModelName => (kind === 'mixed' && index % 2 === 1 ? 'vertical-mc' : 'nc-lathe')
  const machines = Array.from({ length: MACHINES }, (_, index) => ({
    ...{
      machine: `machine-${index + 1}`,
      model: modelOf(index),
      name: `機械 ${index + 1}`,
      nameEn: `Machine ${index + 1}`,
    },
  }))
  return {
    ...{
      shop: SHOP,
      agent: 'pi-1',
      name: 'ベンチ',
      nameEn: 'Bench',
      town: '大森',
      townEn: 'Omori',
      area: '大森',
      areaEn: 'Omori',
    },
    phone: '03-0000-0000',
    machines,
  }
}

const measure = async (
  kind: Kind,
  agentMain: string,
  folder: string,
  seconds: number,
  say: (line: string) => void,
): Promise<Row[]> => {
  await using stack = new AsyncDisposableStack()
  const shop = shopOf(kind)
  const agent = agentName(SHOP)
  const card = mountCard(join(folder, `${kind}.img`), join(folder, kind, 'data', agent), CARD_BYTES)
  if (card === undefined) say('  what reaches the card is not measured: only root can mount one')
  else stack.defer(card.unmount)
  const path = await startPath({
    ...{ folder: join(folder, kind), fleet: [shop], agentMain, readyTimeoutMs: 60_000 },
    times: { pollMs: POLL_MS },
    simulation: { faults: { perDay: 0 } },
  })
  stack.defer(() => path.stop())
  const { http } = path.addresses(agent)
  await until('every machine is read', async () => {
    const health = (await (await fetch(`${http}/healthz`)).json()) as { machinesHeard: number }
    return health.machinesHeard === MACHINES
  })
  await pass(SETTLE_MS)

  const pid = path.pid(agent)
  const begun = { at: performance.now(), cpuMs: usageOf(pid).cpuMs, written: card?.written() ?? 0 }
  const memory: number[] = []
  while (performance.now() - begun.at < seconds * 1_000) {
    await pass(SAMPLE_MS)
    memory.push(usageOf(pid).rssBytes)
    if (memory.length % 30 === 0) say(`  ${kind}  ${memory.length} s  ${mib(memory.at(-1) as number)}`)
  }
  const ms = performance.now() - begun.at
  const rss = median(memory.slice(-LAST_MINUTE))
  const cpu = (usageOf(pid).cpuMs - begun.cpuMs) / ms
  const written = card && ((card.written() - begun.written) * DAY_MS) / ms
  const what = `${kind === 'modbus' ? 'Modbus alone' : 'Modbus and OPC UA'}, ${MACHINES} machines, ${valuesPerS(shop)} values/s`
  const limit = TARGETS.rssBytes[kind]
  return [
    row(`${what}: memory (RSS, median of the last minute)`, `≤ ${mib(limit)}`, mib(rss), rss <= limit),
    row('  processor', `≤ ${percent(TARGETS.cpu)} of a core`, percent(cpu), cpu <= TARGETS.cpu),
    ...(written === undefined
      ? []
      : [
          row(
            '  written to the card',
            '< 1 GB a day',
            `${(written / 1e9).toFixed(2)} GB a day`,
            written < TARGETS.bytesPerDay,
          ),
        ]),
  ]
}

const valuesPerS = ({ machines }: DemoShop): number =>
  (machines.reduce((sum, each) => sum + Object.keys(signalsOf({ ...each, shop: SHOP })).length, 0) * 1_000) / POLL_MS

const row = (what: string, target: string, measured: string, isMet: boolean): Row => ({ what, target, measured, isMet })
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`
const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
