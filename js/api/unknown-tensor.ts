/**
 * The error about a name that no tensor of a file has.
 * It exists so that everything that takes a tensor's name says so in the same words.
 * Proposes the nearest name where there is one.
 */
import { MonoquantError } from './errors.js';
import { nearest } from './nearest.js';

/** `file`: how the caller knows it. */
export function unknownTensor(
  name: string,
  names: readonly string[],
  file = 'the file',
): MonoquantError {
  const meant = nearest(name, names);
  return new MonoquantError('pattern-unmatched', `There is no tensor "${name}" in ${file}.`, {
    suggestion: meant === undefined ? undefined : `Did you mean "${meant}"?`,
  });
}
