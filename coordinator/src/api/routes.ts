import { capacity, wholeHours } from '../capacity.ts'
import type { History } from '../history.ts'
import type { Live } from '../live.ts'
import type { RegisteredShop, RegisterIndex } from '../register.ts'
import { fillTimeline, type LiveState, observedShare } from '../timeline.ts'
import type { App } from './app.ts'
import { ApiError } from './errors.ts'
import type { EventHub } from './events.ts'
import { readRange, readTime } from './range.ts'
import {
  CapacityAnswer,
  CapacityQuery,
  ErrorAnswer,
  type Feed,
  MachineParams,
  MachinesAnswer,
  MachinesQuery,
  type MachineView,
  RangeQuery,
  ShopParams,
  ShopTakingView,
  StreamData,
  TakingBody,
  TimelineAnswer,
} from './schemas.ts'

export interface RouteOptions {
  readonly register: RegisterIndex
  readonly live: Live
  readonly history: History
  readonly events: EventHub
  readonly now: () => number
  /** Per client address. */
  readonly requestsPerMinuteMax: number
  readonly streamHeaders: { readonly [name: string]: string }
}

/** Each is written to disk and sent to a shop. */
const TAKING_PER_MINUTE_MAX = 120

const refusals = { '4xx': ErrorAnswer, '5xx': ErrorAnswer }

/** `/api/v1`: what is free now, what was, what is asked of the shops. */
export const routes = (app: App, options: RouteOptions): void => {
  const { register, live, history, events, now } = options

  app.get(
    '/api/v1/machines',
    {
      schema: {
        summary: 'Every registered machine, as it is now',
        querystring: MachinesQuery,
        response: { 200: MachinesAnswer, ...refusals },
      },
    },
    async ({ query: { kind, area, state } }) => {
      if (area !== undefined && !register.areas.has(area)) {
        const expected = `one of ${[...register.areas].join(', ')}`
        throw new ApiError('COORDINATOR_QUERY_INVALID', { path: 'area', expected, got: area })
      }
      const machines = live
        .machines()
        .filter(
          machine =>
            (kind === undefined || machine.kind === kind) &&
            (area === undefined || machine.area === area) &&
            (state === undefined || machine.state === state),
        )
      return { now: rfc3339(now()), feed: live.feed(), machines }
    },
  )

  app.get(
    '/api/v1/machines/:shop/:machine/timeline',
    {
      schema: {
        summary: "A machine's states over time, without holes",
        params: MachineParams,
        querystring: RangeQuery,
        response: { 200: TimelineAnswer, ...refusals },
      },
    },
    async ({ params, query }) => {
      const at = now()
      const range = readRange(query, at)
      const { id: shop } = findShop(register, params.shop)
      const machine = findMachine(live, shop, params.machine)
      const stored = await history.timeline(shop, machine.machine, range)
      const intervals = fillTimeline(stored, range, liveState(machine, live.feed(), at), at)
      return {
        shop,
        machine: machine.machine,
        from: rfc3339(range.from),
        to: rfc3339(Math.min(range.to, at)),
        observed: observedShare(intervals),
        intervals: intervals.map(({ from, to, state, provisional }) => ({
          from: rfc3339(from),
          to: rfc3339(to),
          state,
          provisional,
        })),
      }
    },
  )

  app.get(
    '/api/v1/capacity',
    {
      schema: {
        summary: 'Machines and hours per kind or area',
        querystring: CapacityQuery,
        response: { 200: CapacityAnswer, ...refusals },
      },
    },
    async ({ query }) => {
      const by = query.by === 'area' ? 'area' : 'kind'
      const range = wholeHours(readRange(query, now()), now())
      const spent = await history.spent(range)
      const machines = live.machines().map(machine => ({ ...machine, group: machine[by] }))
      return {
        by,
        from: rfc3339(range.from),
        to: rfc3339(range.to),
        feed: live.feed(),
        groups: capacity(machines, spent, range),
      } satisfies CapacityAnswer
    },
  )

  app.put(
    '/api/v1/shops/:shop/taking',
    {
      config: { rateLimit: { max: Math.min(TAKING_PER_MINUTE_MAX, options.requestsPerMinuteMax) } },
      schema: {
        summary: 'Asks a shop to take work (受ける) or not (休む)',
        description: "202: asked. It is in force when the shop's Pi says so: `takingRequest` is null again then.",
        params: ShopParams,
        body: TakingBody,
        response: { 202: ShopTakingView, ...refusals },
      },
    },
    async ({ params, body }, reply) => {
      const shop = findShop(register, params.shop)
      const until = body.until == null ? null : readTime('until', body.until, 'COORDINATOR_BODY_INVALID')
      if (until !== null && until <= now()) {
        throw new ApiError('COORDINATOR_BODY_INVALID', {
          path: 'until',
          expected: 'a time in the future, or null',
          got: String(body.until),
        })
      }
      await live.requestTaking(shop, body.value, until)
      return reply.code(202).send(live.taking(shop))
    },
  )

  app.get(
    '/api/v1/events',
    {
      // The head of a stream would be a stream.
      exposeHeadRoute: false,
      schema: {
        summary: 'Server-sent events: `snapshot` first, then `change`, `feed` and, every 15 s, `beat`',
        description: 'A client that does not read is dropped; it may come back and gets the whole picture anew.',
        response: {
          200: { description: 'A stream', content: { 'text/event-stream': { schema: StreamData } } },
          ...refusals,
        },
      },
    },
    async (_request, reply) => {
      if (events.full) throw new ApiError('COORDINATOR_VIEWERS_TOO_MANY', 'too many boards are open; try again later')
      reply.hijack()
      events.attach(reply.raw, options.streamHeaders)
    },
  )
}

const findShop = (register: RegisterIndex, id: string): RegisteredShop => {
  const shop = register.shop(id)
  if (shop === undefined) {
    throw new ApiError('COORDINATOR_SHOP_UNKNOWN', { path: 'shop', expected: 'a shop of the register', got: id })
  }
  return shop
}

const findMachine = (live: Live, shop: string, id: string): MachineView => {
  const machine = live.machine(shop, id)
  if (machine === undefined) {
    const where = { path: 'machine', expected: `a machine of the shop ${shop}`, got: id }
    throw new ApiError('COORDINATOR_MACHINE_UNKNOWN', where)
  }
  return machine
}

/** A view from before our feed was lost is not drawn on beyond the loss. */
const liveState = ({ state, since }: MachineView, feed: Feed, now: number): LiveState => ({
  state,
  since: since === null ? null : Date.parse(since),
  until: feed.connected ? now : Date.parse(feed.since),
})

const rfc3339 = (ms: number): string => new Date(ms).toISOString()
