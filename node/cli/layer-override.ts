/**
 * Reads `--layer 'PATTERN=bits:8,group:64,scheme:asymmetric'`.
 * It exists because this one flag carries a small language of its own.
 * A pattern may contain `=`; what follows the last one are the choices.
 */
import { nearest } from '../../js/api/nearest.js';
import { type LayerOverride, OF_TENSORS } from '../../js/api/option-table/what.js';
import { formatChoices } from '../../js/words/format.js';
import { usageError } from './failure.js';
import { matchChoice } from './match-choice.js';

const EXAMPLE = "For example: --layer 'encoder=bits:4,group:64', or bits:none to leave it alone.";

export function parseLayerOverride(argument: string): LayerOverride {
  const split = argument.lastIndexOf('=');
  const pattern = argument.slice(0, Math.max(0, split));
  const list = argument.slice(split + 1);
  if (pattern === '' || list === '') {
    throw usageError(`Expected PATTERN=CHOICES for --layer but received "${argument}".`, EXAMPLE);
  }
  return { pattern, ...parseChoices(list, '--layer', EXAMPLE) };
}

/** `bits:8,group:64`. `what` they are of, in messages. */
export function parseChoices(list: string, what: string, example: string): Choices {
  let choices: Choices = {};
  for (const written of list.split(',')) {
    const choice = parseChoice(written.trim(), what, example);
    if (Object.keys(choice).some((name) => Object.hasOwn(choices, name))) {
      throw usageError(`${what} "${list}" makes one choice twice.`, 'Leave one of them out.');
    }
    choices = { ...choices, ...choice };
  }
  return choices;
}

type Choices = Omit<LayerOverride, 'pattern'>;

/** `group:64` as an option and its value. */
function parseChoice(written: string, what: string, example: string): Choices {
  const [name = '', ...rest] = written.split(':');
  const found = Object.entries(OF_TENSORS).find(([, entry]) => entry.override === name);
  if (found === undefined || rest.length === 0) {
    const names = Object.values(OF_TENSORS).map(({ override = '' }) => override);
    const near = nearest(name, names);
    const hint =
      near === undefined || near === name ? example : `Did you mean ${[near, ...rest].join(':')}?`;
    throw usageError(
      `Expected ${formatChoices(names.map((each) => `${each}:`))} in ${what} but received "${written}".`,
      hint,
    );
  }
  const [key, { kind }] = found;
  const choices = kind.form.kind === 'choice' ? kind.form.choices : [];
  return { [key]: matchChoice(`${name} in ${what}`, choices, rest.join(':')) };
}
