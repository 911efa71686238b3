import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A folder on a disk of its own that is soon full. */
export interface SmallDisk {
  /** Takes all that is left, and says whether nothing is. */
  fill(): boolean
  isFull(): boolean
  empty(): void
  unmount(): void
}

const BALLAST = '.ballast'
const PIECE_BYTES = 64 * 1024

/** Only root may mount; elsewhere there is no disk to fill, and `undefined`. */
export const mountSmallDisk = (folder: string, bytes: number): SmallDisk | undefined => {
  if (process.getuid?.() !== 0) return undefined
  mkdirSync(folder, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'nakama-faults', folder], {
      stdio: 'ignore',
    })
  } catch {
    return undefined
  }
  const ballast = join(folder, BALLAST)
  const isFull = (): boolean => statfsSync(folder).bavail === 0
  return {
    isFull,
    fill() {
      const file = openSync(ballast, 'a')
      try {
        // A write may be cut short before it fails.
        for (let left = bytes; left > 0; ) left -= writeSync(file, Buffer.alloc(PIECE_BYTES, 1))
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOSPC') throw error
      } finally {
        closeSync(file)
      }
      return isFull()
    },
    empty: () => rmSync(ballast, { force: true }),
    unmount() {
      try {
        execFileSync('umount', [folder], { stdio: 'ignore' })
      } catch {
        // Somebody still looks into it: it goes when they are done.
        execFileSync('umount', ['-l', folder], { stdio: 'ignore' })
      }
    },
  }
}
