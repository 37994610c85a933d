/** Whether these are the tests that take long, `npm run test:deep`: larger models, every host. Not in browsers. */
export const DEEP = process.env.MONOQUANT_DEEP !== undefined;
