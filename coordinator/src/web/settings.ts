import { useCallback, useEffect, useState } from 'preact/hooks'
import { type Filter, formatFilter, parseFilter } from './model.ts'
import type { Lang } from './words.ts'

const LANG_KEY = 'nakama-lang'

/** `?wall`: a screen that nobody touches. No controls; what does not fit is shown page after page. */
export const isWall = (): boolean => new URLSearchParams(location.search).has('wall')

/** `?lang=en` for this once; else as it was last chosen on this device; else Japanese. */
export const useLang = (): [Lang, (lang: Lang) => void] => {
  const [lang, setLang] = useState<Lang>(() => {
    const asked = new URLSearchParams(location.search).get('lang') ?? localStorage.getItem(LANG_KEY)
    return asked === 'en' ? 'en' : 'ja'
  })
  useEffect(() => {
    document.documentElement.lang = lang
  }, [lang])
  const choose = useCallback((chosen: Lang): void => {
    localStorage.setItem(LANG_KEY, chosen)
    setLang(chosen)
  }, [])
  return [lang, choose]
}

/** The filter lives in the address, so that a view can be bookmarked and gone back to. */
export const useFilter = (): [Filter, (filter: Filter) => void] => {
  const [filter, setFilter] = useState(() => parseFilter(location.search))
  useEffect(() => {
    const read = (): void => setFilter(parseFilter(location.search))
    addEventListener('popstate', read)
    return () => removeEventListener('popstate', read)
  }, [])
  const change = useCallback((next: Filter): void => {
    history.pushState(null, '', `${location.pathname}${formatFilter(next, location.search)}`)
    setFilter(next)
  }, [])
  return [filter, change]
}
