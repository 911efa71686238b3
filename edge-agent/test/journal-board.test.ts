import { expect, it } from 'vitest'
import { openBoard } from '../src/journal/board.ts'
import { createDisk, seeded } from './journal-disk.ts'
import { SILENT } from './uplink-support.ts'

it('is known after a power cut at any moment of the confirmation: the former board or this one', async () => {
  const known = new Set<string | undefined>()
  for (let operations = 0; operations < 4; operations++) {
    const disk = createDisk(seeded(operations))
    await openBoard(disk.storage(), 'former', SILENT)
    const died = disk.dieAfter(operations)
    const confirmed = openBoard(disk.storage(), 'this', SILENT).then(board => board.confirm())
    await Promise.race([confirmed, died])
    disk.crash(true)
    const { cardSerial, isMoved } = await openBoard(disk.storage(), 'this', SILENT)
    expect(isMoved).toBe(cardSerial === 'former')
    known.add(cardSerial)
  }
  expect(known).toEqual(new Set(['former', 'this']))
})

it('is kept at the next opening when the disk refuses it at the first', async () => {
  const disk = createDisk(seeded(1))
  disk.setFull(true)
  const first = await openBoard(disk.storage(), 'this', SILENT)
  expect([first.isMoved, first.cardSerial]).toEqual([false, undefined])
  await first.settled
  disk.setFull(false)
  expect((await openBoard(disk.storage(), 'this', SILENT)).cardSerial).toBe('this')
  expect((await openBoard(disk.storage(), 'another', SILENT)).isMoved).toBe(true)
})

it('is not taken for damaged because a read fails once', async () => {
  const disk = createDisk(seeded(1))
  await openBoard(disk.storage(), 'former', SILENT)
  disk.fail('read', 2)
  expect((await openBoard(disk.storage(), 'this', SILENT)).isMoved).toBe(true)
})
