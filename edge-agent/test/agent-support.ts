export const AGENT = { shop: 'tanaka', agent: 'pi-1' }
export const POLL_MS = 100

/** An agent of one lathe: its password lies in a file `password` beside it, its journal in a folder `data`. */
export const configText = (machinePort: number, brokerPort: number): string => `
shop: ${AGENT.shop}
agent: ${AGENT.agent}
rev: 3
broker: { url: 'mqtt://127.0.0.1:${brokerPort}', username: 'agent:tanaka:pi-1', password: { file: password } }
http: { host: 127.0.0.1, port: 0 }
dataDir: data
sharing: named
telemetry: true
machines:
  - id: lathe-1
    kind: nc-lathe
    name: 旋盤1号機
    source: { type: modbus-tcp, host: 127.0.0.1, port: ${machinePort}, pollMs: ${POLL_MS}, timeoutMs: 5000 }
    signals:
      tick: { area: holding-register, address: 0 }
      cycle: { area: coil, address: 0 }
    rules: { running: [{ signal: cycle, is: true }], idle: [{ signal: cycle, is: false }] }
    samples: [tick]
    timing: { runningGapMs: 0, idleAfterMs: 0, doneAfterMs: 0 }
`
