import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  /** `nakama_<room>_<name>_total`; the name ends in its unit where it has one (`_bytes`). */
  counter(name: string, help: string, labels?: readonly string[]): Counter
  /** `nakama_<room>_<name>`; `read` is called at each scrape. */
  gauge(name: string, help: string, read?: () => number, labels?: readonly string[]): Gauge
  /** `nakama_<room>_<name>_seconds`. */
  seconds(name: string, help: string, buckets?: readonly number[]): Histogram
  text(): Promise<string>
  readonly contentType: string
}

const LATENCY_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Prometheus metrics of one process, named by one rule: `nakama_<room>_<what>_<unit>[_total]`. */
export const createMetrics = (room: string): Metrics => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const prefix = `nakama_${room.replaceAll('-', '_')}_`
  const registers = [registry]
  return {
    counter: (name, help, labels = []) =>
      new Counter({ name: `${prefix}${name}_total`, help, labelNames: [...labels], registers }),
    gauge: (name, help, read, labels = []) =>
      new Gauge({
        name: `${prefix}${name}`,
        help,
        labelNames: [...labels],
        registers,
        ...(read === undefined
          ? {}
          : {
              collect() {
                this.set(read())
              },
            }),
      }),
    seconds: (name, help, buckets = LATENCY_BUCKETS_S) =>
      new Histogram({ name: `${prefix}${name}_seconds`, help, buckets: [...buckets], registers }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
