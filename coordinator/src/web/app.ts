import { agoText, sinceTime } from '@nakama/contract'
import { html } from 'htm/preact'
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { MachineView } from '../api/schemas.ts'
import { Filters } from './filters.ts'
import { Header } from './header.ts'
import { useLive, useNow } from './live.ts'
import { Machines } from './machines.ts'
import { areasOf, countKinds, groupsOf, isFiltered, keyOf, toggled } from './model.ts'
import { Panel } from './panel.ts'
import { notStoredSince, type Reception, receptionOf } from './picture.ts'
import { isWall, useFilter, useLang } from './settings.ts'
import { Summary } from './summary.ts'
import type { View } from './view.ts'
import { useWall } from './wall.ts'
import { type Lang, WORDS } from './words.ts'

const TILES_TICK_MS = 10_000
/** From here on smaller tiles: who has so many is searching, not glancing. */
const DENSE_MIN_MACHINES = 60

/** The board: the answer at the top, the machines below it, one of them at length when asked. */
export const App = (): View => {
  const picture = useLive()
  const now = useNow(picture.offsetMs, TILES_TICK_MS)
  const [lang, setLang] = useLang()
  const [filter, setFilter] = useFilter()
  const [opened, setOpened] = useState<string | undefined>(undefined)
  const open = useCallback((machine: MachineView) => setOpened(keyOf(machine)), [])
  const box = useRef<HTMLElement>(null)

  const machines = picture.machines ?? []
  const groups = useMemo(() => groupsOf(machines, filter), [picture.machines, filter])
  const counts = useMemo(() => countKinds(machines, filter.areas), [picture.machines, filter.areas])
  const areas = useMemo(() => areasOf(machines), [picture.machines])
  const wall = useWall(isWall(), groups, box)
  const shownMachine = machines.find(machine => keyOf(machine) === opened)
  const free = counts.reduce((sum, count) => sum + count.free, 0)
  const reception = receptionOf(picture)
  const notStored = notStoredSince(picture)
  const words = WORDS[lang]
  const lostBanner = (): View =>
    reception.is === 'lost' ? html`<${LostBanner} lang=${lang} lost=${reception} now=${now} />` : null

  useEffect(() => {
    document.title = reception.is === 'lost' ? `${words.lost}｜${words.brand}` : words.title(free)
  }, [lang, free, reception.is])

  return html`
    <div class="board" data-feed=${reception.is} data-wall=${wall !== undefined} data-filtered=${isFiltered(filter)}>
      <div class="top">
        <${Header} lang=${lang} reception=${reception.is} offsetMs=${picture.offsetMs} onLang=${setLang} />
        <${Summary}
          lang=${lang}
          counts=${counts}
          chosen=${filter.kinds}
          onKind=${(kind: string) => setFilter({ ...filter, kinds: toggled(filter.kinds, kind) })}
        />
      </div>
      ${lostBanner()}
      ${notStored !== undefined && html`<${StoringNote} lang=${lang} since=${notStored} now=${now} />`}
      <${Filters}
        lang=${lang}
        filter=${filter}
        areas=${areas}
        matching=${groups.reduce((sum, group) => sum + group.machines.length, 0)}
        wall=${wall}
        onFilter=${setFilter}
      />
      <main class="machines" ref=${box} data-dense=${wall === undefined && machines.length >= DENSE_MIN_MACHINES}>
        <${Machines} lang=${lang} groups=${wall?.groups ?? groups} grid=${wall} now=${now} onOpen=${open} />
        ${
          picture.machines !== undefined &&
          groups.length === 0 &&
          html`<p class="empty">${machines.length === 0 ? words.noMachines : words.nothingFits}</p>`
        }
      </main>
      ${
        shownMachine !== undefined &&
        html`
          <${Panel}
            key=${opened}
            lang=${lang}
            machine=${shownMachine}
            now=${now}
            notice=${lostBanner()}
            onClose=${() => setOpened(undefined)}
          />
        `
      }
    </div>
  `
}

interface LostBannerProps {
  readonly lang: Lang
  readonly lost: Reception & { readonly is: 'lost' }
  readonly now: number
}

const LostBanner = ({ lang, lost: { by, since }, now }: LostBannerProps): View => {
  const words = WORDS[lang]
  const say = by === 'stream' ? words.lostStream : words.lostFeed
  return html`
    <p class="lost" role="alert" data-lost=${by}>
      <b>${words.lost}</b> <span>${say(sinceTime(since, now), agoText(now - since, lang))}</span>
    </p>
  `
}

/** Of no concern to who looks for a machine now; so it says that the present is right, and is quiet. */
const StoringNote = ({ lang, since, now }: { lang: Lang; since: number; now: number }): View => html`
  <p class="not-stored" role="status" data-storing="stopped">
    <b>${WORDS[lang].storing}</b> <span>${WORDS[lang].notStored(sinceTime(since, now))}</span>
  </p>
`
