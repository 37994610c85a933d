/**
 * Somebody who looks at an output that nobody keeps.
 */
import type { RemoteFile } from './session.js';

/** Looks at an output that is void afterwards: `model` is what it was made of, in the same worker. */
export type Look<Source, Sink, Output, Found> = (
  model: RemoteFile<Source, Sink, Output>,
  output: RemoteFile<Source, Sink, Output>,
) => Promise<Found>;
