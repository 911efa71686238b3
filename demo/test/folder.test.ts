import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimFolder } from '../src/folder.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nakama-folder-'))
})
afterEach(() => rmSync(root, { recursive: true }))

describe('the folder of a demo', () => {
  it('is made, claimed, and given back', () => {
    const folder = join(root, 'data')
    const release = claimFolder(folder)
    expect(() => claimFolder(folder)).toThrow(`--data: ${folder} is in use by process ${process.pid}`)
    release()
    claimFolder(folder)()
    expect(existsSync(folder)).toBe(true)
  })

  it('is taken over from a demo that was killed', () => {
    writeFileSync(join(root, 'demo.pid'), '4194305\n')
    expect(() => claimFolder(root)).not.toThrow()
  })

  it.each(['file', 'file/below', 'no/such'])('that cannot be one is refused by name: %s', name => {
    writeFileSync(join(root, 'file'), '')
    expect(() => claimFolder(join(root, name))).toThrow(
      `--data: expected a folder to write to, got ${join(root, name)}`,
    )
  })
})
