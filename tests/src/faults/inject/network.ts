import type { Harm, TcpProxy } from '../../tcp-proxy.ts'
import { until } from '../../until.ts'
import type { World } from '../world.ts'
import { type Injector, mustHaveHappened, pause } from './fault.ts'

export const cut: Injector = (world, { target, forMs }) => disturb(world, target, forMs, cable => cable.cut(), 'broken')

export const blackHole: Injector = (world, { target, forMs }) =>
  disturb(world, target, forMs, cable => cable.blackHole(), 'swallowedBytes')

export const halfOpen: Injector = (world, { target, forMs }, random) => {
  const dead = random() < 0.5 ? 'up' : 'down'
  return disturb(world, target, forMs, cable => cable.halfOpen(dead), 'swallowedBytes')
}

const SLOW_BYTES_PER_S = [1_500, 20_000] as const
const SLOW_DELAY_MS = [100, 800] as const

export const slow: Injector = (world, { target, forMs }, random) => {
  const between = ([low, high]: readonly [number, number]): number => low + random() * (high - low)
  const limits = { bytesPerS: between(SLOW_BYTES_PER_S), delayMs: between(SLOW_DELAY_MS) }
  return disturb(world, target, forMs, cable => cable.slow(limits), 'delayedBytes')
}

/** Whoever is quiet just then notices nothing; it lasts until somebody did. */
const NOTICED_WITHIN_MS = 15_000

const disturb = async (
  world: World,
  target: string,
  forMs: number,
  begin: (cable: TcpProxy) => void,
  harm: keyof Harm,
): Promise<void> => {
  const cable = world.cable(target)
  await until(`${target} is connected`, () => cable.open > 0, { withinMs: 30_000 })
  const before = cable.harm[harm]
  const hasHarmed = (): boolean => cable.harm[harm] > before
  begin(cable)
  try {
    await pause(forMs)
    await until(`${target} is disturbed`, hasHarmed, { withinMs: NOTICED_WITHIN_MS })
  } finally {
    cable.pass()
  }
  mustHaveHappened(hasHarmed(), `${harm} at ${target}`)
}
