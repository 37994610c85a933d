/**
 * The file of `--prior`: how much places of a model count, as JSON. What is in it is for the engine to judge.
 */
import { readGiven } from './config-file.js';

const HINT = 'A table of places is a JSON object, such as {"roles": {"down": {"factor": 3}}}.';

/** With the table in place of the name of its file. */
export function withPriorFile<Options extends object>(options: Options): Options {
  const { prior } = options as { readonly prior?: unknown };
  return typeof prior === 'string' ? { ...options, prior: readGiven(prior, HINT) } : options;
}
