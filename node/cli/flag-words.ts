/**
 * The package's messages in the words of the command line: `--group-size 64` instead of `groupSize: 64`.
 * The same checks serve programs, which name options, and people, who typed flags.
 */
import { MonoquantError } from '../../js/api/errors.js';
import {
  BENCHMARK,
  GATES,
  KEEPING,
  OUTPUT,
  RUN,
  VALIDATE,
} from '../../js/api/option-table/calls.js';
import type { Entry } from '../../js/api/option-table/entry.js';
import { SWITCH_OF } from '../../js/api/option-table/mode.js';
import { OPTIONS } from '../../js/api/option-table/table.js';
import { inCode, type OptionToken } from '../../js/api/sentence.js';
import type { Mode } from '../../js/api/types.js';
import { flagOf } from './flag.js';

const TABLE: Readonly<Record<string, Entry>> = {
  ...BENCHMARK,
  ...VALIDATE,
  ...KEEPING,
  ...OUTPUT,
  ...GATES,
  ...RUN,
  ...OPTIONS,
};

export function inFlagWords(error: MonoquantError): MonoquantError {
  const { code, tensor, offset } = error;
  const { message, suggestion } = error.inWords(flagWords);
  return new MonoquantError(code, message, { suggestion, tensor, offset, cause: error });
}

function flagWords(token: OptionToken): string {
  const { option, value, inOverride } = token;
  if (inOverride) return overrideWords(token);
  if (option === 'mode' && value !== undefined) {
    return flagWords({ option: SWITCH_OF[value as Mode], value: true });
  }
  const entry = TABLE[option];
  const flag = entry && flagOf(option, entry);
  if (flag === undefined) return inCode(token);
  const { name, kind, negated } = flag;
  if (value === undefined) return `--${name}`;
  if (kind !== 'switch') return `--${name} ${value}`;
  return value === !negated ? `--${name}` : inCode(token);
}

/** In `--layer 'fc=group:64'`. */
function overrideWords({ option, value }: OptionToken): string {
  const name = TABLE[option]?.override ?? option;
  return value === undefined ? name : `${name}:${value}`;
}
