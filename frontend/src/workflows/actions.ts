import { api, take } from '@/api/client'
import type { Run, Template, Workflow, WorkflowVersionDetail } from '@/api/types'

const PAGE = 100

const at = (id: string) => ({ path: { id } })

export const getWorkflow = (id: string): Promise<Workflow> => take(api.GET('/v1/workflows/{id}', { params: at(id) }))

export const getVersion = (id: string, n: number): Promise<WorkflowVersionDetail> =>
  take(api.GET('/v1/workflows/{id}/versions/{n}', { params: { path: { id, n } } }))

export const pause = (id: string): Promise<Workflow> => take(api.POST('/v1/workflows/{id}/pause', { params: at(id) }))

export const activate = (id: string): Promise<Workflow> => take(api.POST('/v1/workflows/{id}/activate', { params: at(id) }))

export const share = (id: string, template: Workflow['template']): Promise<Workflow> =>
  take(api.PATCH('/v1/workflows/{id}', { params: at(id), body: { template } }))

export const removeWorkflow = (id: string): Promise<unknown> => take(api.DELETE('/v1/workflows/{id}', { params: at(id) }))

export const startRun = (id: string, params: Record<string, unknown>, name: string, key: string): Promise<Run> =>
  take(
    api.POST('/v1/workflows/{id}/runs', {
      params: { ...at(id), header: { 'Idempotency-Key': key } },
      body: { params: params as Record<string, never>, ...(name ? { name } : {}) },
    }),
  )

/** All templates, one's own first. */
export async function allTemplates(): Promise<Template[]> {
  const found: Template[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await take(api.GET('/v1/templates', { params: { query: { limit: PAGE, cursor } } }))
    found.push(...page.items)
    if (page.next === null) return found
    cursor = page.next
  }
}

/** The text of a version: as its author wrote it, or its JSON, which is YAML too. */
export const textOf = ({ yaml, definition }: Pick<WorkflowVersionDetail, 'yaml' | 'definition'>): string => yaml ?? `${JSON.stringify(definition, null, 2)}\n`

/** Gives the reader a file. */
export function saveFile(name: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }))
  link.download = name.replace(/[\\/:*?"<>|]/g, '_')
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}
