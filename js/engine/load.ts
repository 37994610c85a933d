/**
 * From the glue code that Emscripten made to an Engine.
 * Whatever goes wrong on the way is 'engine-unavailable': the file at hand is not to blame.
 */
import { MonoquantError } from '../api/errors.js';
import type { EngineInfo } from '../api/types.js';
import { Engine } from './engine.js';
import type { WasmModule } from './wasm.js';

/** The default export of monoquant-st.mjs and monoquant-mt.mjs. */
export type EngineFactory = (options: {
  /** Workers that `mt` starts before it is ready. */
  readonly threads?: number;
  /** How `mt` gets one of them in browsers. */
  readonly startThread?: () => unknown;
}) => Promise<WasmModule>;

export async function loadEngine(
  factory: EngineFactory,
  { kind, threads }: EngineInfo,
  startThread?: () => unknown,
): Promise<Engine> {
  try {
    const module = await factory(
      kind === 'mt' ? { threads: threads - 1, ...(startThread && { startThread }) } : {},
    );
    return new Engine(module, { kind, threads: module.setThreads(threads) });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MonoquantError(
      'engine-unavailable',
      `The engine (monoquant-${kind}.wasm) could not be started: ${reason}`,
      {
        suggestion:
          kind === 'mt'
            ? 'Try threads: 1, which needs no shared memory.'
            : 'Its .wasm file belongs beside the script that loads it: reinstall the package, or check what is served.',
        cause,
      },
    );
  }
}
