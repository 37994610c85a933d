/**
 * Reads what is in an output that was written here.
 */
import { FILE_FAULTS, MonoquantError } from '../api/errors.js';
import type { Engine } from '../engine/engine.js';
import type { WasmInspector } from '../engine/wasm.js';
import type { ByteSource } from '../io/byte-source.js';

/** What would be a fault of an input is our own failure in an output. */
export async function inspectOutput(engine: Engine, output: ByteSource): Promise<WasmInspector> {
  try {
    // Everything in it was written here.
    return await engine.inspect(output, { key: '' });
  } catch (cause) {
    if (!(cause instanceof MonoquantError) || !FILE_FAULTS.includes(cause.code)) throw cause;
    const message = `The output reads back as no valid file: ${cause.message}`;
    throw new MonoquantError('verification-failed', message, { offset: cause.offset, cause });
  }
}
