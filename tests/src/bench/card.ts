import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** A disk of its own in a file, so that what reaches the medium can be told from what everybody else writes. */
export interface Card {
  /** Octets that its file system has written to it: data, its own tables, its own journal. */
  written(): number
  unmount(): void
}

const SECTOR_BYTES = 512
/** Kernel's Documentation/block/stat: the seventh number is sectors written. */
const SECTORS_WRITTEN = 6

/** Mounts an ext4 of `bytes` in the file `image` at `folder`; undefined where that is not allowed (it takes root). */
export const mountCard = (image: string, folder: string, bytes: number): Card | undefined => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const file = openSync(image, 'w')
  ftruncateSync(file, bytes)
  closeSync(file)
  mkdirSync(folder, { recursive: true })
  const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' }).trim()
  run('mkfs.ext4', '-q', '-F', image)
  const device = run('losetup', '--find', '--show', image)
  try {
    run('mount', device, folder)
  } catch (error) {
    run('losetup', '--detach', device)
    throw error
  }
  const stat = `/sys/block/${basename(device)}/stat`
  return {
    written() {
      run('sync', '--file-system', folder)
      return Number(readFileSync(stat, 'utf8').trim().split(/\s+/)[SECTORS_WRITTEN]) * SECTOR_BYTES
    },
    unmount() {
      run('umount', folder)
      run('losetup', '--detach', device)
    },
  }
}
