/**
 * Reads `--layer 'PATTERN=bits:8,group:64,scheme:asymmetric'`.
 * It exists because this one flag carries a small language of its own.
 * A pattern may contain `=`; what follows the last one are the choices.
 */
import { nearest } from '../../js/api/nearest.js';
import { BITS, GROUP_SIZES, type LayerOverride, METHODS, SCHEMES } from '../../js/api/types.js';
import { formatChoices } from '../../js/words/format.js';
import { usageError } from './failure.js';
import { matchChoice } from './flag-value.js';

const EXAMPLE = "For example: --layer 'encoder=bits:4,group:64', or bits:none to leave it alone.";

type Choices = Omit<LayerOverride, 'pattern'>;

/** What each choice takes. A new one is an entry here. */
const CHOICES: Readonly<Record<string, (what: string, text: string) => Choices>> = {
  bits: (what, text) => ({ bits: matchChoice(what, [...BITS, 'none'], text) }),
  group: (what, text) => ({ groupSize: matchChoice(what, GROUP_SIZES, text) }),
  scheme: (what, text) => ({ scheme: matchChoice(what, SCHEMES, text) }),
  method: (what, text) => ({ method: matchChoice(what, METHODS, text) }),
};

export function parseLayerOverride(argument: string): LayerOverride {
  const split = argument.lastIndexOf('=');
  const pattern = argument.slice(0, Math.max(0, split));
  const list = argument.slice(split + 1);
  if (pattern === '' || list === '') {
    throw usageError(`Expected PATTERN=CHOICES for --layer but received "${argument}".`, EXAMPLE);
  }
  let override: LayerOverride = { pattern };
  for (const written of list.split(',')) {
    const choice = parseChoice(written.trim());
    if (Object.keys(choice).some((name) => Object.hasOwn(override, name))) {
      throw usageError(`--layer "${argument}" makes one choice twice.`, 'Leave one of them out.');
    }
    override = { ...override, ...choice };
  }
  return override;
}

function parseChoice(written: string): Choices {
  const [key = '', ...rest] = written.split(':');
  const read = Object.hasOwn(CHOICES, key) ? CHOICES[key] : undefined;
  if (read === undefined || rest.length === 0) {
    const keys = Object.keys(CHOICES);
    const near = nearest(key, keys);
    const hint =
      near === undefined || near === key ? EXAMPLE : `Did you mean ${[near, ...rest].join(':')}?`;
    throw usageError(
      `Expected ${formatChoices(keys.map((name) => `${name}:`))} in --layer but received "${written}".`,
      hint,
    );
  }
  return read(`${key} in --layer`, rest.join(':'));
}
