import { type Logger, pino } from 'pino'

/** pino, with the field names that every room uses: `shop`, `agent`, `machine`, `seq`, `durationMs`, `err`, `code`. */
export type Log = Logger

/** One JSON object per line on standard output. Changes are logged; repetitions are counted in metrics instead. */
export const createLog = (room: string, level = process.env.LOG_LEVEL ?? 'info'): Log =>
  pino({
    level,
    base: { room },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: label => ({ level: label }) },
  })
