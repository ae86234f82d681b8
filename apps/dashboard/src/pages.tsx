import { type ComponentType, lazy } from 'react';
import type { IconName } from './ui/icon.tsx';

interface PageDefinition {
  /** A pattern of wouter's; the API serves the page at these addresses too (apps/api/src/plugins/dashboard.ts). */
  path: string;
  title: string;
  /** Absent: it is reached from another page. */
  icon?: IconName;
  Page: ComponentType;
}

/** Every page, in the order of the navigation. Each is a chunk of its own, loaded when it is first shown. */
export const pages: readonly PageDefinition[] = [
  { path: '/', title: 'Runs', icon: 'runs', Page: lazy(() => import('./pages/runs/index.tsx')) },
  { path: '/runs/:id', title: 'Run', Page: lazy(() => import('./pages/run/index.tsx')) },
  { path: '/compare', title: 'Compare', Page: lazy(() => import('./pages/run/compare.tsx')) },
  { path: '/new', title: 'New run', icon: 'new', Page: lazy(() => import('./pages/new-run/index.tsx')) },
  {
    path: '/playground',
    title: 'Playground',
    icon: 'playground',
    Page: lazy(() => import('./pages/playground/index.tsx')),
  },
  { path: '/system', title: 'System', icon: 'system', Page: lazy(() => import('./pages/system/index.tsx')) },
];
