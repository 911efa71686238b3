import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Taking } from '@nakama/contract'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTaking } from '../src/uplink/taking.ts'
import { SILENT } from './uplink-support.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'taking-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const open = (file = join(dir, 'taking.json')) => openTaking({ file, now: () => 5, log: SILENT })
const taking = (rev: number, value: boolean, until: number | null = null): Taking => ({ value, until, rev })

describe('受ける / 休む on the Pi', () => {
  it('is to take work until somebody says otherwise', async () =>
    expect((await open()).current).toEqual(taking(0, true)))

  it('outlives the process, whoever said it', async () => {
    const first = await open()
    await first.apply(taking(4, false, 9_000))
    expect((await open()).current).toEqual(taking(4, false, 9_000))
    await (await open()).change(true, null)
    expect((await open()).current).toEqual(taking(5, true))
    expect(await readdir(dir)).toEqual(['taking.json'])
  })

  it.each([
    ['a higher rev', taking(6, true), true],
    ['the same rev, cautiously', taking(5, false), true],
    ['the same rev, boldly', taking(5, true, 100), false],
    ['a lower rev', taking(4, false), false],
  ])('gives way to the coordinator by rules: %s', async (_what, desired, isApplied) => {
    const keeper = await open()
    await keeper.apply(taking(5, true, 50))
    expect(await keeper.apply(desired)).toBe(isApplied)
    expect(keeper.current).toEqual(isApplied ? desired : taking(5, true, 50))
    expect(keeper.refused).toEqual(isApplied ? undefined : { rev: desired.rev, why: expect.stringContaining('newer') })
  })

  it('is neither changed nor refused by what already holds', async () => {
    const keeper = await open()
    const heard: Taking[] = []
    keeper.onChange(next => heard.push(next))
    expect(await keeper.apply(taking(1, false))).toBe(true)
    expect(await keeper.apply(taking(1, false))).toBe(false)
    expect(heard).toEqual([taking(1, false)])
    expect(keeper.refused).toBe(undefined)
  })

  it('decides one wish after the other, however fast they come', async () => {
    const keeper = await open()
    const results = await Promise.all([
      keeper.apply(taking(2, false)),
      keeper.change(true, null),
      keeper.apply(taking(3, false)),
      keeper.apply(taking(2, true)),
    ])
    expect(results).toEqual([true, taking(3, true), true, false])
    expect(keeper.current).toEqual(taking(3, false))
  })

  it.each(['{', '', '{"value":1}', '{"value":true,"until":null}', 'null'])(
    'is to rest when the file says nothing sensible: %s',
    async text => {
      await writeFile(join(dir, 'taking.json'), text)
      const keeper = await open()
      expect(keeper.current.value).toBe(false)
      await keeper.change(true, null)
      expect(JSON.parse(await readFile(join(dir, 'taking.json'), 'utf8'))).toMatchObject({ value: true, rev: 1 })
    },
  )

  it('stays as it is when it cannot be kept: a wish is refused, the shop is told', async () => {
    const keeper = await open(join(dir, 'file', 'taking.json'))
    await writeFile(join(dir, 'file'), 'where a folder should be')
    expect(await keeper.apply(taking(1, false))).toBe(false)
    expect(keeper.refused).toEqual({ rev: 1, why: expect.stringContaining('cannot be kept') })
    await expect(keeper.change(false, null)).rejects.toThrow()
    expect(keeper.current).toEqual(taking(0, true))
  })
})
