/**
 * Biases that make up for the errors of codes: they differ from those of the original, as a note in the file says.
 */
import type { Catalog } from '../api/types.js';

const NOTE = 'corrected_biases';

/** Whether the file says that this tensor of it is such a bias. */
export function correctedBiases(file: Catalog): (name: string) => boolean {
  if (file.metadata[NOTE] !== 'true') return () => false;
  const weights = new Set(
    file.tensors.flatMap(({ name, quantization }) => (quantization === undefined ? [] : [name])),
  );
  return (name) => name.endsWith('.bias') && weights.has(name.replace(/bias$/, 'weight'));
}
