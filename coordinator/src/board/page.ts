export interface PageParts {
  readonly prefix: string
  readonly importMap: string
  readonly modules: readonly string[]
}

/** The board's only page. The import map must stand before the first module, and its hash in the content security policy. */
export const page = ({ prefix, importMap, modules }: PageParts): string => `<!doctype html>
<html lang="ja">
  <head>
    <meta charset="utf-8">
    <title>仲間まわし</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="description" content="いま空いている機械と、その連絡先">
    <meta name="color-scheme" content="light dark">
    <meta name="theme-color" content="#10233f">
    <link rel="icon" href="${prefix}favicon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="${prefix}board.css">
    <script type="importmap">${importMap}</script>
    ${modules.map(path => `<link rel="modulepreload" href="${prefix}${path}">`).join('\n    ')}
    <script type="module" src="${prefix}main.ts"></script>
  </head>
  <body>
    <div id="board"></div>
    <noscript>この画面には JavaScript が必要です。This page needs JavaScript.</noscript>
  </body>
</html>
`
