import { agoText, durationText, sinceTime } from '@nakama/contract'
import { html } from 'htm/preact'
import { useMemo, useRef } from 'preact/hooks'
import type { MachineView } from '../api/schemas.ts'
import { PhoneIcon, StateIcon } from './icons.ts'
import { keyOf } from './model.ts'
import type { View } from './view.ts'
import { type Lang, named, stateName, WORDS } from './words.ts'

export interface TileProps {
  readonly lang: Lang
  readonly machine: MachineView
  /** Coarse enough that most tiles are the same from tick to tick. */
  readonly now: number
  readonly onOpen: (machine: MachineView) => void
}

/** One machine. A free one is filled and shows whom to call; nothing else on the board is filled in that colour. */
export const Tile = ({ lang, machine, now, onOpen }: TileProps): View => {
  const since = sinceText(machine, now, lang)
  const changes = useChanges(machine.state)
  return useMemo(() => draw(machine, since, lang, changes, onOpen), [machine, since, lang, changes, onOpen])
}

/** 14:05から 25分; of a machine that nobody hears, when it was last heard. */
export const sinceText = ({ since, state }: MachineView, now: number, lang: Lang): string => {
  const words = WORDS[lang]
  if (since === null) return words.neverHeard
  const at = Date.parse(since)
  const time = sinceTime(at, now)
  return state === 'OFFLINE'
    ? words.lastHeard(time, agoText(now - at, lang))
    : words.since(time, durationText(now - at, lang))
}

/** The state in words. Of an idle machine that nobody may have, not that it is free. */
export const stateLabel = ({ state, free }: MachineView, lang: Lang): string =>
  state === 'IDLE' && !free ? WORDS[lang].idleResting : stateName(state, lang)

/** Only what is out of the ordinary: that a shop takes work is what everybody expects. */
export const TakingBadge = ({ machine: { taking }, lang }: { machine: MachineView; lang: Lang }): View => {
  if (taking === true) return null
  return html`<span class="taking">${taking === null ? WORDS[lang].takingUnknown : WORDS[lang].resting}</span>`
}

export const telephone = (phone: string): string => `tel:${phone.replace(/[^0-9+]/g, '')}`

const draw = (
  machine: MachineView,
  since: string,
  lang: Lang,
  changes: number,
  onOpen: (machine: MachineView) => void,
): View => {
  const shop = named(machine.shopName, machine.shopNameEn, lang)
  const name = named(machine.machineName, machine.machineNameEn, lang)
  return html`
    <article
      class="tile"
      data-machine=${keyOf(machine)}
      data-state=${machine.state}
      data-free=${machine.free}
      data-taking=${String(machine.taking)}
      data-changed=${changes === 0 ? undefined : changes % 2 === 0 ? 'even' : 'odd'}
    >
      <p class="tile-state">
        <span class="lamp"><${StateIcon} state=${machine.state} free=${machine.free} /></span>
        <b>${stateLabel(machine, lang)}</b>
        <${TakingBadge} machine=${machine} lang=${lang} />
      </p>
      <h3 class="tile-shop">
        <button
          type="button"
          aria-haspopup="dialog"
          aria-label=${WORDS[lang].details(shop, name)}
          onClick=${() => onOpen(machine)}
        >
          ${shop}
        </button>
        ${machine.takingRequest?.status === 'waiting' && html`<small class="waiting">${WORDS[lang].waitingShort}</small>`}
      </h3>
      <div class="tile-foot">
        <p class="tile-machine"><span>${name}</span> <small>${named(machine.area, machine.areaEn, lang)}</small></p>
        <p class="tile-since"><span>${since}</span></p>
      </div>
      ${
        machine.free &&
        machine.phone !== null &&
        html`<a class="tile-phone" href=${telephone(machine.phone)}><${PhoneIcon} />${machine.phone}</a>`
      }
    </article>
  `
}

/** How often the state has changed since this tile was first drawn. A count, because the same animation twice needs two names. */
const useChanges = (state: string): number => {
  const seen = useRef({ state, changes: 0 })
  if (seen.current.state !== state) seen.current = { state, changes: seen.current.changes + 1 }
  return seen.current.changes
}
