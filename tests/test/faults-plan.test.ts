import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseFaultsArgs } from '../src/faults/args.ts'
import { createMutant, MUTANTS, type MutantName } from '../src/faults/mutants.ts'
import { CALM_MS, FAULT_KINDS, type Fault, type FinalFault, planFaults } from '../src/faults/plan.ts'

const agents = ['agent-a', 'agent-b']
const SEEDS = Array.from({ length: 40 }, (_, seed) => seed)
const threeMinutes = (seed: number): Fault[] => planFaults({ seed, minutes: 3, kills: 12, kinds: FAULT_KINDS, agents })

describe('a plan of faults', () => {
  it('depends on its seed alone', () => {
    expect(threeMinutes(5)).toEqual(threeMinutes(5))
    expect(threeMinutes(5)).not.toEqual(threeMinutes(6))
  })

  it('has every kind, as many kills as were asked for, and a calm at the end, whatever the seed', () => {
    for (const seed of SEEDS) {
      const plan = threeMinutes(seed)
      expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS))
      expect(plan.filter(({ kind }) => kind === 'kill')).toHaveLength(12)
      expect(plan.toSorted((a, b) => a.atMs - b.atMs)).toEqual(plan)
      for (const { atMs, forMs } of plan) expect(atMs + forMs).toBeLessThanOrEqual(3 * 60_000 - CALM_MS)
    }
  })

  it('never does two things to the same process at once, and leaves the broker alone while a connection to it is disturbed', () => {
    const onCable = ['cut', 'black-hole', 'slow', 'half-open', 'shuffle']
    for (const seed of SEEDS) {
      const plan = threeMinutes(seed)
      for (const [at, fault] of plan.entries()) {
        const during = plan.slice(at + 1).filter(({ atMs }) => atMs < fault.atMs + fault.forMs)
        const onProcess = (other: Fault) => other.kind !== 'disk-full' && other.kind !== 'store-locked'
        if (onProcess(fault)) {
          expect(during.filter(onProcess).map(({ target }) => target)).not.toContain(fault.target)
        }
        if (onCable.includes(fault.kind)) expect(during.map(({ target }) => target)).not.toContain('broker')
      }
    }
  })

  it('lets faults of different things meet', () => {
    const meets = SEEDS.some(seed => {
      const plan = threeMinutes(seed)
      return plan.some(
        (fault, at) => at > 0 && fault.atMs < (plan[at - 1] as Fault).atMs + (plan[at - 1] as Fault).forMs,
      )
    })
    expect(meets).toBe(true)
  })

  it('ends with what brings a broken promise to light, when everything else has healed', () => {
    for (const seed of SEEDS) {
      for (const name of Object.keys(MUTANTS) as MutantName[]) {
        const finale = MUTANTS[name].shownBy('agent-a')
        const plan = planFaults({ seed, minutes: 3, kills: 12, kinds: FAULT_KINDS, agents, finale })
        const own = plan.slice(-finale.length)
        const begin = (own[0] as Fault).atMs
        expect(own.map(({ kind, target }) => ({ kind, target }))).toEqual(
          finale.map(({ kind, target }) => ({ kind, target })),
        )
        expect(Math.max(...own.map(({ atMs, forMs }) => atMs + forMs))).toBe(3 * 60_000 - CALM_MS)
        for (const { atMs, forMs } of plan.slice(0, -finale.length))
          expect(atMs + forMs).toBeLessThanOrEqual(begin - 6_000)
        expect(
          plan.filter(({ kind }) => kind === 'kill').length - own.filter(({ kind }) => kind === 'kill').length,
        ).toBe(12)
      }
    }
  })

  it('kills ingest while the store is locked where ingest acknowledges too early', () => {
    const [lock, kill] = MUTANTS['ack-before-commit'].shownBy() as [FinalFault, FinalFault]
    expect([lock.kind, kill.kind, kill.target]).toEqual(['store-locked', 'kill', 'ingest'])
    expect(kill.atMs).toBeGreaterThan(lock.atMs + 2_000)
    expect(kill.atMs).toBeLessThan(lock.atMs + lock.forMs)
  })

  it('says so when there is no time for what was asked for', () => {
    expect(() => planFaults({ seed: 1, minutes: 1, kills: 500, kinds: ['kill'], agents })).toThrow(
      'expected time for each of kill and 500 kills, got 1 minutes',
    )
  })
})

describe('the arguments', () => {
  it('mean three minutes of every kind, with four kills a minute', () => {
    expect(parseFaultsArgs([])).toMatchObject({ seed: 1, minutes: 3, kills: 12, kinds: FAULT_KINDS, mutant: undefined })
  })
  it.each([
    [['--minutes', '0.5'], '--minutes: expected a number from 1 to 1440, got "0.5"'],
    [['--kinds', 'kill,flood'], '--kinds: expected one of'],
    [['--mutant', 'x'], '--mutant: expected one of ack-before-commit, delete-at-publish, add-to-rollup, got "x"'],
    [['--show', 'x'], '--show: expected one of ack-before-commit, delete-at-publish, add-to-rollup, got "x"'],
    [['--seed', '1.5'], '--seed: expected a whole number from 0 to 4294967295, got "1.5"'],
  ])('%j are refused by name', (argv, message) => {
    expect(() => parseFaultsArgs(argv)).toThrow(message)
  })
})

describe('a mutant', () => {
  it('is a copy with one promise broken', () => {
    const root = join(import.meta.dirname, '../..')
    for (const name of Object.keys(MUTANTS) as MutantName[]) createMutant(root, name).remove()
  })
  it('is refused where the text to replace is not there', () => {
    const { root, remove } = createMutant(join(import.meta.dirname, '../..'), 'add-to-rollup')
    try {
      expect(() => createMutant(root, 'add-to-rollup')).toThrow('expected its text once')
    } finally {
      remove()
    }
  })
})
