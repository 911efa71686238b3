import type { Socket } from 'node:net'

export type OutgoingFault = 'outgoing-full' | 'not-draining'

export interface Outgoing {
  /** Bytes not yet taken by the peer's side of the connection. */
  readonly waitingBytes: number
  /** Takes everything, at once: a sender never waits for a slow receiver. */
  send(chunks: readonly Buffer[]): void
  allow(maxBytes: number): void
  stop(): void
}

/** Handed to the socket at a time. Progress is seen slice by slice, so a slice is small against what may wait. */
const SLICE_BYTES = 64 * 1024

/**
 * The queue in front of one socket. Aedes delivers a message to all receivers together and waits for the slowest; so none
 * may ever make it wait. Whoever lets more than `maxBytes` gather, or takes nothing for `drainTimeoutMs`, is at fault.
 */
export const openOutgoing = (
  socket: Socket,
  limits: { readonly maxBytes: number; readonly drainTimeoutMs: number },
  onFault: (fault: OutgoingFault) => void,
): Outgoing => {
  const queue: Buffer[] = []
  let { maxBytes } = limits
  let waitingBytes = 0
  let writing = false
  let stopped = false
  let patience: NodeJS.Timeout | undefined

  const pump = (): void => {
    if (writing || stopped || queue.length === 0) return
    let count = 0
    let bytes = 0
    while (count < queue.length && (count === 0 || bytes < SLICE_BYTES)) bytes += (queue[count++] as Buffer).length
    const slice = queue.splice(0, count)
    writing = true
    // A PUBLISH comes in five pieces; one copy is cheaper than handing five to the kernel.
    socket.write(count === 1 ? (slice[0] as Buffer) : Buffer.concat(slice, bytes), error => {
      writing = false
      // The socket's own end is on its way.
      if (error) return
      waitingBytes -= bytes
      if (waitingBytes === 0) clearTimeout(patience)
      else patience?.refresh()
      pump()
    })
  }

  return {
    get waitingBytes() {
      return waitingBytes
    },
    send(chunks) {
      if (stopped) return
      const idle = waitingBytes === 0
      for (const chunk of chunks) {
        if (chunk.length === 0) continue
        queue.push(chunk)
        waitingBytes += chunk.length
      }
      if (waitingBytes > maxBytes) return onFault('outgoing-full')
      if (idle && waitingBytes > 0) patience = setTimeout(() => onFault('not-draining'), limits.drainTimeoutMs)
      pump()
    },
    allow(bytes) {
      maxBytes = bytes
    },
    stop() {
      stopped = true
      clearTimeout(patience)
      queue.length = 0
      waitingBytes = 0
    },
  }
}
