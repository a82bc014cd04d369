import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
// @ts-expect-error a script without types
import { generated } from '../../scripts/generate.mjs'

test('the generated types are those of the API and of the messages: `npm run generate` writes them', async () => {
  const files = Object.entries((await generated()) as Record<string, string>)
  expect(files).toHaveLength(2)
  for (const [name, text] of files) {
    const kept = await readFile(new URL(`../../${name}`, import.meta.url), 'utf8')
    expect(kept === text, `${name} differs from its document`).toBe(true)
  }
}, 60_000)
