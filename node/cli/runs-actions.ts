/**
 * What `monoquant runs` can do, by name: apart from doing it, so that completion knows the names alone.
 */
export const ACTIONS = ['list', 'show', 'compare', 'pin', 'repeat', 'export'] as const;
export type RunsAction = (typeof ACTIONS)[number];
