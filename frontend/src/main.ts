import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './style.css'
import { createPinia } from 'pinia'
import { createApp, watch } from 'vue'
import App from './shell/App.vue'
import { i18n, useLocale } from './i18n'
import { createRoutes } from './router'
import { usePreferences } from './shell/preferences'

const app = createApp(App)
app.use(createPinia())
app.use(i18n)
const preferences = usePreferences()
await useLocale(preferences.locale)
watch(
  () => preferences.locale,
  (locale) => void useLocale(locale),
)
app.use(createRoutes())
app.mount('#app')
