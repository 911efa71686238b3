import { type Bucket, debtMs, fullBucket, type Traffic, take } from './limits.ts'
import { type PacketFault, type PacketLimits, type PacketScan, SCAN_START, scanPackets } from './packet-guard.ts'

/** What is known of the bytes that one connection has sent. */
export interface Intake {
  readonly scan: PacketScan
  /** Bytes from a stranger: counted until it is admitted. */
  readonly earlyBytes: number
  /** Undefined until it is admitted. */
  readonly allowance: { readonly messages: Bucket; readonly bytes: Bucket } | undefined
}

export type IntakeFault = PacketFault | 'early-flood'

export const INTAKE_START: Intake = { scan: SCAN_START, earlyBytes: 0, allowance: undefined }

/** From here on the allowance of its role holds instead of a stranger's. */
export const admit = (intake: Intake, traffic: Traffic, now: number): Intake => ({
  ...intake,
  allowance: { messages: fullBucket(traffic.messagesPerS, now), bytes: fullBucket(traffic.bytesPerS, now) },
})

/**
 * Judges a chunk before anybody buffers it.
 *
 * @returns the intake to go on with, for how long not to read on (0: read on), and the fault for which the connection
 * must end, if any: the chunk is then not to be passed on.
 */
export const takeIn = (
  { scan, earlyBytes, allowance }: Intake,
  chunk: Uint8Array,
  limits: PacketLimits,
  now: number,
): { readonly intake: Intake; readonly pauseMs: number; readonly fault?: IntakeFault } => {
  const scanned = scanPackets(scan, chunk, limits)
  const fault = scanned.fault
  if (allowance === undefined) {
    const early = earlyBytes + chunk.length
    const intake = { scan: scanned.scan, earlyBytes: early, allowance }
    if (fault !== undefined) return { intake, pauseMs: 0, fault }
    return early > limits.controlMaxBytes ? { intake, pauseMs: 0, fault: 'early-flood' } : { intake, pauseMs: 0 }
  }
  const messages = take(allowance.messages, scanned.packets, now)
  const bytes = take(allowance.bytes, chunk.length, now)
  const intake = { scan: scanned.scan, earlyBytes, allowance: { messages, bytes } }
  const pauseMs = Math.max(debtMs(messages), debtMs(bytes))
  return fault === undefined ? { intake, pauseMs } : { intake, pauseMs, fault }
}
