import { createRouter, createWebHistory, type Router } from 'vue-router'
import { useSession } from './session/store'

declare module 'vue-router' {
  interface RouteMeta {
    /** Seen without an account. */
    open?: boolean
    admin?: boolean
    title: string
  }
}

export function createRoutes(): Router {
  const router = createRouter({
    history: createWebHistory(),
    scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
    routes: [
      { path: '/signin', component: () => import('./session/SignIn.vue'), meta: { open: true, title: 'signIn.title' } },
      { path: '/register', component: () => import('./session/Register.vue'), meta: { open: true, title: 'register.title' } },
      { path: '/', component: () => import('./overview/Overview.vue'), meta: { title: 'nav.overview' } },
      { path: '/jobs', component: () => import('./jobs/Jobs.vue'), meta: { title: 'nav.jobs' } },
      { path: '/jobs/new', component: () => import('./jobs/Submit.vue'), meta: { title: 'nav.submit' } },
      { path: '/jobs/:id', component: () => import('./jobs/Job.vue'), props: true, meta: { title: 'job.title' } },
      { path: '/workflows', component: () => import('./workflows/Workflows.vue'), meta: { title: 'nav.workflows' } },
      { path: '/workflows/new', component: () => import('./workflows/Editor.vue'), meta: { title: 'workflows.create' } },
      { path: '/workflows/:id', component: () => import('./workflows/Workflow.vue'), props: true, meta: { title: 'workflows.one' } },
      { path: '/workflows/:id/edit', component: () => import('./workflows/Editor.vue'), props: true, meta: { title: 'workflows.one' } },
      { path: '/runs', component: () => import('./runs/Runs.vue'), meta: { title: 'nav.runs' } },
      { path: '/runs/:id', component: () => import('./runs/Run.vue'), props: true, meta: { title: 'runs.one' } },
      { path: '/runs/:id/compare', component: () => import('./runs/Compare.vue'), props: true, meta: { title: 'compare.title' } },
      { path: '/gpus', component: () => import('./offers/Gpus.vue'), meta: { title: 'nav.gpus' } },
      { path: '/costs', component: () => import('./costs/Costs.vue'), meta: { title: 'nav.costs' } },
      { path: '/settings', component: () => import('./settings/Settings.vue'), meta: { title: 'nav.settings' } },
      { path: '/admin', component: () => import('./admin/Admin.vue'), meta: { admin: true, title: 'nav.admin' } },
      { path: '/:rest(.*)*', component: () => import('./shell/NotFound.vue'), meta: { open: true, title: 'notFound.title' } },
    ],
  })
  router.beforeEach(async (to) => {
    const session = useSession()
    await session.restore()
    if (!session.user && !to.meta.open) return { path: '/signin', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
    if (session.user && (to.path === '/signin' || to.path === '/register')) return '/'
    if (to.meta.admin && !session.isAdmin) return '/'
    return true
  })
  return router
}
