/**
 * The control of one option, made from its entry in the package's table.
 * Values that nobody chose are those of the plan: what a run would do now. Without a choice nothing is shown.
 */
import { type Changes, type Entry, isPossible, OPTIONS } from 'monoquant';
import { isOpen, type OptionName } from '../choice.js';
import { Check, NumberField, Select } from './field.js';
import type { ViewProps } from './view-props.js';

export function OptionField({ workbench, name }: ViewProps & { readonly name: OptionName }) {
  const entry: Entry = OPTIONS[name];
  const { form } = entry.kind;
  const options = workbench.options.value;
  const effective = workbench.forecast.value.plan?.configuration[name as never] ?? entry.default;
  if (entry.control === undefined || !isOpen(options, name, effective)) return null;
  const { label, help } = entry.control;
  const words = (value: unknown) => entry.control?.words?.[String(value)] ?? String(value);
  const chosen: unknown = options[name];
  const set = (value: unknown) => workbench.change({ [name]: value } as Changes);
  switch (form.kind) {
    case 'choice':
      return (
        <Select
          label={label}
          help={help}
          value={String(chosen ?? entry.default ?? '')}
          automatic={
            entry.resolve && automatic(effective === undefined ? undefined : words(effective))
          }
          options={form.choices.map((choice) => [
            String(choice),
            words(choice),
            isPossible(options, { [name]: choice }),
          ])}
          onChoose={(text) => set(form.choices.find((choice) => String(choice) === text))}
        />
      );
    case 'switch':
      return (
        <Check
          label={label}
          help={help}
          isChecked={(chosen ?? entry.default) !== entry.default}
          onCheck={(isChecked) => set(isChecked ? !entry.default : undefined)}
        />
      );
    case 'number':
      return (
        <NumberField
          label={label}
          help={help}
          value={chosen as number | undefined}
          automatic={Number(effective ?? 0)}
          min={form.least ?? 0}
          {...(form.most === undefined ? {} : { max: form.most })}
          step={form.whole ? 1 : 'any'}
          onType={set}
        />
      );
    default:
      return null;
  }
}

export function automatic(words: string | undefined): string {
  return words === undefined ? 'Automatic' : `Automatic: ${words}`;
}
