/** Whether these are the tests that take long, `npm run test:deep`: larger models, every host. Not in browsers. */
export const DEEP = process.env.MONOQUANT_DEEP !== undefined;

/** All cases, or the first one of each `every`. For lists whose entries prove the same of different words. */
export function samples<Case>(cases: readonly Case[], every: number): Case[] {
  return cases.filter((_, index) => DEEP || index % every === 0);
}
