/** Asks before something that cannot be taken back. The texts are shown as text. */
export async function ask(title: string, text: string, yes: string, no: string): Promise<boolean> {
  const [{ ElMessageBox }] = await Promise.all([
    import('element-plus/es/components/message-box/index'),
    import('element-plus/es/components/message-box/style/css'),
  ])
  try {
    await ElMessageBox.confirm(text, title, { confirmButtonText: yes, cancelButtonText: no, type: 'warning' })
    return true
  } catch {
    return false
  }
}
