import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openDesiredFile } from '../src/desired-file.ts'
import { silent, temporaryDir } from './helpers.ts'

describe('what was asked of the shops', () => {
  it('is on disk when the answer comes, and is there again after a restart', async () => {
    const dir = join(await temporaryDir(), 'made', 'by', 'itself')
    const file = await openDesiredFile(dir, silent)
    const entry = { at: 1, taking: { value: false, until: 99, rev: 3 } }
    await file.update('tanaka', before => {
      expect(before).toBeUndefined()
      return entry
    })
    const again = await openDesiredFile(dir, silent)
    expect(again.get('tanaka')).toEqual(entry)
    expect([...again.entries()]).toEqual([['tanaka', entry]])
    expect(await readdir(dir)).toEqual(['desired.json'])
  })

  it('never gives the same rev twice, however many ask at once', async () => {
    const dir = await temporaryDir()
    const file = await openDesiredFile(dir, silent)
    const asked = Array.from({ length: 20 }, (_, i) =>
      file.update(i % 2 === 0 ? 'tanaka' : 'sato', before => ({
        at: i,
        taking: { value: true, until: null, rev: (before?.taking.rev ?? 0) + 1 },
      })),
    )
    const revs = (await Promise.all(asked)).map(({ taking }) => taking.rev)
    expect(revs).toEqual(Array.from({ length: 20 }, (_, i) => Math.floor(i / 2) + 1))
    expect((await openDesiredFile(dir, silent)).get('sato')?.taking.rev).toBe(10)
  })

  it.each([
    ['not json', '{"v":1,'],
    ['something else', '{"v":1,"shops":{"tanaka":{"rev":1}}}'],
    ['empty', ''],
  ])('is put aside when the file is damaged (%s), and the service starts', async (_what, text) => {
    const dir = await temporaryDir()
    await writeFile(join(dir, 'desired.json'), text)
    const file = await openDesiredFile(dir, silent)
    expect([...file.entries()]).toEqual([])
    expect(await readFile(join(dir, 'desired.json.unreadable'), 'utf8')).toBe(text)
  })

  it('has not changed when it could not be written, and can be asked again', async () => {
    const dir = await temporaryDir()
    const file = await openDesiredFile(dir, silent)
    const entry = { at: 1, taking: { value: false, until: null, rev: 1 } }
    // A folder in the way of the temporary file fails for root too.
    await mkdir(join(dir, 'desired.json.new'))
    await expect(file.update('tanaka', () => entry)).rejects.toMatchObject({
      code: 'COORDINATOR_DESIRED_NOT_SAVED',
      retryable: true,
    })
    expect(file.get('tanaka')).toBeUndefined()
    await rm(join(dir, 'desired.json.new'), { recursive: true })
    await file.update('tanaka', () => entry)
    expect(file.get('tanaka')).toEqual(entry)
  })
})
