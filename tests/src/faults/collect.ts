import { isDeepStrictEqual } from 'node:util'
import { agentName, type DemoShop, storeFile } from '@nakama/demo'
import { logName, readServed, readTruth, type ServedLine } from '@nakama/simulators'
import { openEmbeddedReader, type Samples, type StoreReader } from '@nakama/store'
import { until } from '../until.ts'
import { type MachineEvidence, STEP_MAX_MS } from './judge/evidence.ts'
import { MINUTE_MS, type Span, widened } from './judge/spans.ts'
import { readingOf } from './world.ts'

/** What the machines' own logs and the store say of a span. */
export const collectEvidence = async (
  shops: readonly DemoShop[],
  dataDir: string,
  span: Span,
): Promise<MachineEvidence[]> => {
  const reader = await until('the store', () => openEmbeddedReader({ file: storeFile(dataDir) }))
  try {
    const evidence: MachineEvidence[] = []
    for (const { shop, machines } of shops) {
      const gaps = await reader.gaps({ shop, ...span })
      for (const of of machines) {
        const { machine } = of
        const file = logName({ shop, machine })
        const samples = await reader.samples({ shop, machine, ...widened(span, STEP_MAX_MS), limitRows: ROWS_MAX })
        evidence.push({
          ...{ shop, machine, agent: agentName(shop) },
          reading: readingOf(of),
          truth: readTruth(`${dataDir}/truth/${file}`),
          served: readServed(`${dataDir}/served/${file}`),
          stored: ticksOf(samples),
          storedAt: samples.at,
          gaps: gaps.filter(gap => gap.machine === machine || gap.machine === null),
          ...(await statesOf(reader, { shop, machine }, span)),
        })
      }
    }
    return evidence
  } finally {
    await reader.close()
  }
}

const ROWS_MAX = 1_000_000

const ticksOf = ({ at, signals }: Samples): ServedLine[] =>
  at.flatMap((time, row) => {
    const tick = signals.tick?.[row] ?? null
    return tick === null ? [] : [{ at: time, tick }]
  })

/** Ingest goes on writing: timeline and rollups of one moment, in whole minutes. */
const statesOf = (
  reader: StoreReader,
  machine: { readonly shop: string; readonly machine: string },
  span: Span,
): Promise<Pick<MachineEvidence, 'timeline' | 'rollups'>> => {
  const query = {
    ...machine,
    from: Math.floor(span.from / MINUTE_MS) * MINUTE_MS,
    to: Math.ceil(span.to / MINUTE_MS) * MINUTE_MS,
  }
  return until('timeline and rollups of one moment', async () => {
    const timeline = await reader.timeline(query)
    const rollups = await reader.rollups({ ...query, resolution: 'minute' })
    return isDeepStrictEqual(await reader.timeline(query), timeline) && { timeline, rollups }
  })
}
