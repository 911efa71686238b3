import { clockTime, dateText, secondsText } from '@nakama/contract'
import { html } from 'htm/preact'
import { Logo } from './icons.ts'
import { useNow } from './live.ts'
import type { Reception } from './picture.ts'
import type { View } from './view.ts'
import { type Lang, WORDS } from './words.ts'

export interface HeaderProps {
  readonly lang: Lang
  readonly reception: Reception['is']
  readonly offsetMs: number
  readonly onLang: (lang: Lang) => void
}

/** Who this is, whether it is live, and what time it is at the shops. */
export const Header = ({ lang, reception, offsetMs, onLang }: HeaderProps): View => {
  const words = WORDS[lang]
  const other = lang === 'ja' ? 'en' : 'ja'
  const status = { connecting: words.connecting, live: words.receiving, lost: words.lost }[reception]
  return html`
    <header class="header">
      <${Logo} />
      <h1 class="brand">${words.brand} <small>${words.tagline}</small></h1>
      <p class="reception" role="status"><i></i>${status}</p>
      <button type="button" class="lang" lang=${other} data-lang=${other} onClick=${() => onLang(other)}>
        ${words.otherLang}
      </button>
      <${Clock} lang=${lang} offsetMs=${offsetMs} />
    </header>
  `
}

const Clock = ({ lang, offsetMs }: { lang: Lang; offsetMs: number }): View => {
  const now = useNow(offsetMs, 1_000)
  return html`
    <p class="clock">
      <span>${dateText(now, lang)}</span>
      <time datetime=${new Date(now).toISOString()}>${clockTime(now)}<small>:${secondsText(now)}</small></time>
    </p>
  `
}
