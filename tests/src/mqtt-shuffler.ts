import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet'

/**
 * A broker's worst legal behaviour towards a subscriber: while it is on, QoS 0 messages of `records` topics arrive twice,
 * and later than those behind them. Everything else, and everything while it is off, passes in order.
 */
export interface MqttShuffler {
  readonly port: number
  on(): void
  /** Lets go of what is held back. */
  off(): void
  readonly duplicated: number
  readonly reordered: number
  stop(): Promise<void>
}

const DUPLICATED_PART = 0.3
const HELD_PART = 0.3
/** A message waits for at most so many others, and for so long. */
const OVERTAKEN_MAX = 4
const HELD_MAX_MS = 1_500

interface Held {
  readonly packet: IPublishPacket
  left: number
  readonly timer: NodeJS.Timeout
}

/** @param target the broker, asked anew for each connection. */
export const startMqttShuffler = async (
  target: { readonly host: string; readonly port: number },
  random: () => number,
): Promise<MqttShuffler> => {
  let isOn = false
  let duplicated = 0
  let reordered = 0
  const open = new Set<Socket>()
  const releases = new Set<() => void>()

  const shuffle = (client: Socket): ((packet: Packet) => void) => {
    let held: Held[] = []
    const send = (packet: Packet): void => {
      if (!client.destroyed) client.write(generate(packet))
    }
    const release = (which: (each: Held) => boolean): void => {
      const due = held.filter(which)
      held = held.filter(each => !which(each))
      for (const { packet, timer } of due) {
        clearTimeout(timer)
        send(packet)
      }
    }
    const releaseAll = (): void => release(() => true)
    releases.add(releaseAll)
    client.on('close', () => {
      for (const { timer } of held) clearTimeout(timer)
      releases.delete(releaseAll)
    })
    return packet => {
      if (!isOn || packet.cmd !== 'publish' || packet.qos !== 0 || !packet.topic.endsWith('/records')) {
        send(packet)
        return
      }
      if (random() < DUPLICATED_PART) {
        duplicated += 1
        send(packet)
      }
      if (random() < HELD_PART) {
        const timer = setTimeout(() => release(each => each.packet === packet), HELD_MAX_MS)
        held.push({ packet, left: 1 + Math.floor(random() * OVERTAKEN_MAX), timer })
        return
      }
      send(packet)
      reordered += held.length > 0 ? 1 : 0
      for (const each of held) each.left -= 1
      release(each => each.left <= 0)
    }
  }

  const server = createServer({ noDelay: true }, client => {
    const upstream = connect({ host: target.host, port: target.port, noDelay: true })
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    const packets = parser({ protocolVersion: 4 })
    packets.on('packet', shuffle(client))
    packets.on('error', () => client.destroy())
    upstream.on('data', chunk => packets.parse(chunk))
    client.pipe(upstream)
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  return {
    port: (server.address() as AddressInfo).port,
    on() {
      isOn = true
    },
    off() {
      isOn = false
      for (const release of releases) release()
    },
    get duplicated() {
      return duplicated
    },
    get reordered() {
      return reordered
    },
    async stop() {
      for (const socket of open) socket.destroy()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}
