import { ElMessageBox } from 'element-plus'
import 'element-plus/es/components/message-box/style/css'

/** Asks before something that cannot be taken back. The texts are shown as text. */
export async function ask(title: string, text: string, yes: string, no: string): Promise<boolean> {
  try {
    await ElMessageBox.confirm(text, title, { confirmButtonText: yes, cancelButtonText: no, type: 'warning' })
    return true
  } catch {
    return false
  }
}
