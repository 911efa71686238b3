import { readFileSync } from 'node:fs'

/** CPU time used so far and memory held now, of one process (Linux: proc(5)). */
export interface Usage {
  readonly cpuMs: number
  readonly rssBytes: number
}

const TICKS_PER_S = 100
const PAGE_BYTES = 4_096

export const usageOf = (pid: number): Usage => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may itself contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [utime, stime, rss] = [fields[11], fields[12], fields[21]].map(Number) as [number, number, number]
  return { cpuMs: ((utime + stime) * 1_000) / TICKS_PER_S, rssBytes: rss * PAGE_BYTES }
}
