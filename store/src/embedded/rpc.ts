import { Worker } from 'node:worker_threads'
import { messageOf, NakamaError } from '@nakama/contract'
import { fromParts } from './errors.ts'
import type { Reply, Request, WorkerSettings } from './protocol.ts'

/** The calling side of a worker thread. */
export interface Rpc {
  /** The id of the store, by the last answer. */
  readonly store: string
  /**
   * @throws NakamaError what the worker said; `STORE_OVERLOADED` when `REQUESTS_MAX` are waiting already; `STORE_CRASHED`
   * when the worker ended under it (the next request starts another); `STORE_CLOSED`.
   */
  request<T>(method: string, args?: unknown): Promise<T>
  /** Lets the worker finish what it has, then ends it. Idempotent. */
  close(): Promise<void>
}

const REQUESTS_MAX = 1_000
const RESTART_AFTER_MS = 1_000
/** A transaction at a time is parsed and forgotten: more room for what is young is only held, and never given back. */
const YOUNG_MAX_MB = 16

/** @throws NakamaError when the store cannot be opened. */
export const openRpc = async (settings: WorkerSettings): Promise<Rpc> => {
  let store = ''
  let closing: Promise<void> | undefined
  let startedAt = performance.now()
  let thread: Promise<Thread> | undefined = startThread(settings)

  const current = (): Promise<Thread> => {
    if (thread !== undefined) return thread
    if (performance.now() - startedAt < RESTART_AFTER_MS)
      return Promise.reject(crashed(settings.file, 'not yet restarted'))
    startedAt = performance.now()
    thread = watch(startThread(settings))
    return thread
  }
  /** Forgets a thread that is gone, so that the next request starts another. */
  const watch = (starting: Promise<Thread>): Promise<Thread> => {
    const forget = (): void => {
      if (thread === starting) thread = undefined
    }
    starting.then(({ ended }) => ended.then(forget), forget)
    return starting
  }
  const send = async <T>(method: string, args: unknown): Promise<T> => {
    const answer = await (await current()).request(method, args)
    store = answer.store
    return answer.value as T
  }

  store = (await watch(thread)).store
  return {
    get store() {
      return store
    },
    async request<T>(method: string, args?: unknown): Promise<T> {
      if (closing !== undefined) throw closed(settings.file)
      return send<T>(method, args)
    },
    close() {
      closing ??= (async () => {
        const last = await thread?.catch(() => undefined)
        if (last === undefined) return
        await last.request('close', undefined).catch(() => {})
        await last.ended
      })()
      return closing
    },
  }
}

interface Answer {
  readonly store: string
  readonly value: unknown
}

interface Thread {
  readonly store: string
  request(method: string, args: unknown): Promise<Answer>
  readonly ended: Promise<void>
}

/** Resolves when the worker has opened the store. */
const startThread = (settings: WorkerSettings): Promise<Thread> => {
  const { file } = settings
  // Whatever flags the process itself was started with are not the worker's business.
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: settings,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MAX_MB },
  })
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>()
  let why = 'it ended'
  let alive = true
  let nextId = 1
  const ended = new Promise<void>(resolve => {
    worker.once('exit', () => {
      alive = false
      for (const { reject } of waiting.values()) reject(crashed(file, why))
      waiting.clear()
      resolve()
    })
  })
  const request = (method: string, args: unknown): Promise<Answer> =>
    new Promise((resolve, reject) => {
      if (!alive) return reject(crashed(file, why))
      if (waiting.size >= REQUESTS_MAX) return reject(overloaded(file))
      const id = nextId++
      waiting.set(id, { resolve, reject })
      worker.postMessage({ id, method, args } satisfies Request)
    })
  return new Promise((resolve, reject) => {
    worker.on('error', error => {
      why = messageOf(error)
    })
    ended.then(() => reject(crashed(file, why)))
    worker.on('message', (reply: Reply) => {
      if (reply.type === 'opened') resolve({ store: reply.store, request, ended })
      else if (reply.type === 'failed') reject(fromParts(reply.error))
      else {
        const waiter = waiting.get(reply.id)
        waiting.delete(reply.id)
        if (reply.type === 'answer') waiter?.resolve(reply)
        else waiter?.reject(fromParts(reply.error))
      }
    })
  })
}

const crashed = (file: string, why: string): NakamaError =>
  new NakamaError('STORE_CRASHED', `${file}: the store's thread is gone: ${why}; it is started again`, {
    retryable: true,
  })

const overloaded = (file: string): NakamaError =>
  new NakamaError('STORE_OVERLOADED', `${file}: expected at most ${REQUESTS_MAX} waiting requests, got one more`, {
    retryable: true,
  })

const closed = (file: string): NakamaError => new NakamaError('STORE_CLOSED', `${file}: the store was closed`)
