/** A word as POSIX sh reads it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/** The command that sends what the page is about to send. The token is the reader's own, from the environment. */
export function curl(origin: string, method: string, path: string, body?: unknown): string {
  const lines = [`curl -X ${method} ${shellWord(origin + path)}`, `-H "Authorization: Bearer $GPU_TOKEN"`]
  if (body !== undefined) {
    lines.push(`-H 'Content-Type: application/json'`, `-d ${shellWord(JSON.stringify(body, null, 2))}`)
  }
  return lines.join(' \\\n  ')
}
