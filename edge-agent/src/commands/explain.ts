import { clockTime, MACHINE_KINDS, messageOf, NakamaError, STATES, secondsText } from '@nakama/contract'
import { loadConfig, parseOptions } from '@nakama/service'
import { AgentConfig } from '../config.ts'
import { checkAgentConfig } from '../config-sense.ts'
import type { MachineExplanation } from '../machines.ts'
import type { PageFacts } from '../page/facts.ts'
import { readWords, sinceWords, valueWords, whyWords } from '../page/machine-words.ts'
import type { Words } from '../page/words.ts'
import type { ShownSignal } from '../state/explain.ts'

const ANSWER_MAX_MS = 5_000

/**
 * `--explain --config FILE [--machine ID]`: asks the agent that runs with this configuration why its machines are in their
 * states, and returns what to print.
 *
 * @throws NakamaError `EXPLAIN_BAD_ARGUMENT`, what `loadConfig` says, or `AGENT_SILENT` when no agent answers there.
 */
export const explainCommand = async (argv: readonly string[]): Promise<string> => {
  const { config: file, machine } = parseOptions('EXPLAIN_BAD_ARGUMENT', argv, {
    explain: { type: 'boolean' },
    config: { type: 'string' },
    machine: { type: 'string' },
  })
  if (file === undefined) throw new NakamaError('EXPLAIN_BAD_ARGUMENT', '--config: expected a file, got nothing')
  const { http, machines } = loadConfig(file, AgentConfig, checkAgentConfig)
  if (machine !== undefined && !machines.some(({ id }) => id === machine)) {
    const known = machines.map(({ id }) => id).join(', ')
    throw new NakamaError('EXPLAIN_BAD_ARGUMENT', `--machine: expected one of ${known}, got "${machine}"`)
  }
  const facts = await askAgent(`http://${LISTENING_EVERYWHERE.has(http.host) ? '127.0.0.1' : http.host}:${http.port}`)
  return explanationText(facts, machine)
}

const LISTENING_EVERYWHERE = new Set(['0.0.0.0', '::'])

const askAgent = async (url: string): Promise<PageFacts> => {
  try {
    const answer = await fetch(`${url}/status.json`, { signal: AbortSignal.timeout(ANSWER_MAX_MS) })
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
    return (await answer.json()) as PageFacts
  } catch (error) {
    throw new NakamaError('AGENT_SILENT', `${url}: expected an agent that runs, got: ${messageOf(error)}`)
  }
}

/** All machines, or one of them. */
export const explanationText = ({ shop, agent, at, machines }: PageFacts, machine: string | undefined): string =>
  [
    `${shop}/${agent}  ${clockTime(at)}:${secondsText(at)}`,
    ...machines.filter(({ id }) => machine === undefined || id === machine).map(each => machineText(each, at)),
  ].join('\n\n')

const machineText = (machine: MachineExplanation, now: number): string => {
  const { id, name, kind, code, since, readAt, signals } = machine
  return [
    `■ ${name}（${MACHINE_KINDS[kind].ja} ${MACHINE_KINDS[kind].en}, ${id}）`,
    `  ${both(STATES[code])}  ${both(sinceWords(since, now))}`,
    ...[...whyWords(machine), readWords(readAt, now)].map(words => `  ${both(words)}`),
    ...signals.toSorted((a, b) => Number(b.decides) - Number(a.decides)).map(signal => `    ${signalText(signal)}`),
  ].join('\n')
}

const signalText = (signal: ShownSignal): string => {
  const words = valueWords(signal)
  return `${signal.decides ? '*' : ' '} ${signal.name} = ${typeof words === 'string' ? words : both(words)}`
}

const both = ({ ja, en }: Words): string => `${ja} / ${en}`
