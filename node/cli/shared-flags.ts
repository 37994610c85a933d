/**
 * Flags that several commands have.
 * It exists so that a flag means, and says, the same everywhere.
 */

export const HELP = { kind: 'switch', name: 'help', short: 'h', help: 'show this help' } as const;
export const MODEL = {
  kind: 'text',
  name: 'model',
  short: 'm',
  value: 'FILE',
  help: 'the model, instead of as an argument',
} as const;

export const FORCE = { kind: 'switch', name: 'force', help: 'overwrite what exists' } as const;
export const KEY = {
  kind: 'text',
  name: 'key',
  value: 'PATH',
  empty: true,
  help: "a part of the file; '' is all of it",
} as const;
export const STRIP_PREFIX = {
  kind: 'text',
  name: 'strip-prefix',
  value: 'TEXT',
  help: 'taken off every name: module.',
} as const;
export const CONFIG = {
  kind: 'text',
  name: 'config',
  value: 'FILE',
  help: 'choices as JSON, or an earlier report',
} as const;
export const DUPLICATE_TIES = {
  kind: 'switch',
  name: 'duplicate-ties',
  help: 'write tied tensors once a name',
} as const;

export const FAIL_UNDER = {
  kind: 'number',
  name: 'fail-under',
  value: 'DB',
  help: 'exit with 4 if the SQNR is lower',
} as const;
export const VERBOSE = {
  kind: 'switch',
  name: 'verbose',
  short: 'v',
  help: 'all of it, however long',
} as const;
export const JSON_DOCUMENT = {
  kind: 'switch',
  name: 'json',
  help: 'print it as one JSON document',
} as const;
