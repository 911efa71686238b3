/**
 * Machine states: the seven words of the board.
 *
 * Colours follow the stack light where it has a colour for the meaning; the label always stands beside the colour,
 * because one man in twenty in Japan cannot tell the green lamp from the red one.
 */
export const STATE_CODES = ['RUNNING', 'PAUSED', 'SETUP', 'IDLE', 'ALARM', 'OFF', 'OFFLINE'] as const

export type StateCode = (typeof STATE_CODES)[number]

export interface StateLook {
  readonly ja: string
  readonly en: string
  /** Fill colour, sRGB hex. OFFLINE is drawn hatched, so that it never passes for a plain state. */
  readonly colour: string
}

export const STATES: { readonly [code in StateCode]: StateLook } = {
  RUNNING: { ja: '運転中', en: 'Running', colour: '#2e9e5b' },
  PAUSED: { ja: '一時停止', en: 'Paused', colour: '#f08c2e' },
  SETUP: { ja: '段取中', en: 'Setup', colour: '#e5c02b' },
  IDLE: { ja: '待機（空き）', en: 'Idle (free)', colour: '#2f7fd6' },
  ALARM: { ja: '異常停止', en: 'Alarm', colour: '#d63b3b' },
  OFF: { ja: '電源断', en: 'Off', colour: '#8a929c' },
  OFFLINE: { ja: '通信断', en: 'Offline', colour: '#c3c8cf' },
}

/** True when somebody knows what the machine does. OFFLINE is the absence of knowledge, never a kind of idleness. */
export const isKnown = (code: StateCode): boolean => code !== 'OFFLINE'
