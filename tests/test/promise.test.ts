import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { agentName, FLEET, storeFile } from '@nakama/demo'
import { readServed } from '@nakama/simulators'
import { openEmbeddedReader, type StoreReader } from '@nakama/store'
import { expect, it } from 'vitest'
import { machineNames, type RunningPath, runPath, untilAllHeard } from '../src/running-path.ts'
import { until } from '../src/until.ts'

/** One shop of lathes over Modbus, one of machining centres over OPC UA. */
const fleet = FLEET.slice(0, 2)
const names = machineNames(fleet)
/** A reading is in the journal at most this long after it was taken. */
const JOURNALED_WITHIN_MS = 1_000

it('no process that is killed loses a reading, and none is stored twice', { timeout: 180_000 }, async () => {
  await using running = await runPath({ fleet })
  const { path } = running
  await untilAllHeard(running)
  const reader = await openEmbeddedReader({ file: storeFile(path.dataDir) })
  try {
    await untilStored(reader, 'the first readings')
    for (const victim of ['broker', 'ingest']) {
      const restarts = path.restarts
      path.kill(victim, 'SIGKILL')
      await until(`${victim} is started again`, () => path.restarts > restarts)
      await untilStored(reader, `what came after ${victim} was killed`)
    }
    const killed = new Map<string, { at: number; journaled: Map<string, Set<number>> }>()
    for (const { shop } of fleet) {
      const at = Date.now()
      await path.unplug(agentName(shop))
      killed.set(shop, { at, journaled: ticksInJournal(running, shop) })
      await path.plugIn(agentName(shop))
    }
    const end = await untilStored(reader, 'what came after the agents were killed')

    for (const name of names) {
      const [shop, machine] = name.split('/') as [string, string]
      const { at: killedAt, journaled } = killed.get(shop) as NonNullable<ReturnType<typeof killed.get>>
      const { at, signals } = await reader.samples({ shop, machine, from: 0, to: end })
      const ticks = signals.tick as readonly number[]

      expect(new Set(ticks).size, `${name}: each number once`).toBe(ticks.length)
      expect(
        ticks.toSorted((a, b) => a - b),
        `${name}: in order`,
      ).toEqual(ticks)
      const stored = new Set(ticks)
      const inJournal = [...(journaled.get(machine) ?? [])]
      expect(inJournal.length, `${name}: the journal was not empty`).toBeGreaterThan(0)
      expect(
        inJournal.filter(tick => !stored.has(tick)),
        `${name}: in the journal and not stored`,
      ).toEqual([])
      if (name.startsWith('misaki/')) {
        const lost = readServed(running.log('served', name))
          .filter(line => line.at < end - JOURNALED_WITHIN_MS)
          .filter(line => line.at < killedAt - JOURNALED_WITHIN_MS || line.at > killedAt + JOURNALED_WITHIN_MS)
          .filter(line => !stored.has(line.tick))
        expect(lost, `${name}: read by the agent and not stored`).toEqual([])
      }

      const gaps = (await reader.gaps({ shop, from: 0, to: end })).filter(
        gap => gap.machine === machine && gap.why !== 'journal-new',
      )
      const before = at.findLast(time => time <= killedAt) as number
      const after = at.find(time => time > killedAt) as number
      expect(gaps, `${name}: one gap, from the last reading before to the first after`).toMatchObject([
        { from: before, to: after, what: 'all', why: 'agent-stopped' },
      ])
    }
  } finally {
    await reader.close()
  }
})

/** Resolves, with the present time, when a reading of every machine taken after the call is stored. */
const untilStored = async (reader: StoreReader, what: string): Promise<number> => {
  const asked = Date.now()
  for (const name of names) {
    const [shop, machine] = name.split('/') as [string, string]
    await until(
      `${name}: ${what}`,
      async () => (await reader.samples({ shop, machine, from: asked, to: asked + 3_600_000 })).at.length > 2,
      { withinMs: 60_000, everyMs: 250 },
    )
  }
  return Date.now()
}

/** Every number that lies in the files of a journal, by machine, read as plain text: whatever the format, it is in there. */
const ticksInJournal = (running: RunningPath, shop: string): Map<string, Set<number>> => {
  const folder = join(running.path.dataDir, agentName(shop), 'journal')
  const found = new Map<string, Set<number>>()
  for (const file of globSync('*', { cwd: folder })) {
    const text = readFileSync(join(folder, file), 'latin1')
    for (const [, machine, ticks] of text.matchAll(/"type":"samples","machine":"([^"]+)"[^}]*"tick":\[([\d,]+)\]/g)) {
      const of = found.get(machine as string) ?? new Set()
      for (const tick of (ticks as string).split(',')) of.add(Number(tick))
      found.set(machine as string, of)
    }
  }
  return found
}
