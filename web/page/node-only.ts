/**
 * Stands for what only Node has: the engine's glue names it in a branch that no browser takes.
 * It exists because Vite's own stand-in brings more code than it replaces.
 * Never called.
 */
export function createRequire(): never {
  throw new Error('There is no require() in browsers.');
}
