/**
 * Labelled controls of the options form.
 * They exist so that every choice looks and behaves alike: a label, a control, a line of help.
 * An empty choice means: whatever follows from the others.
 */
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface FieldProps {
  readonly label: string;
  readonly help?: ComponentChildren;
}

export interface SelectProps<Value extends string> extends FieldProps {
  readonly value: Value | undefined;
  /** What is taken where nothing is chosen; without it something is always chosen. */
  readonly automatic?: string | undefined;
  readonly options: readonly (readonly [value: Value, words: string, isPossible?: boolean])[];
  readonly onChoose: (value: Value | undefined) => void;
}

export function Select<Value extends string>(props: SelectProps<Value>) {
  const { label, help, value, automatic, options, onChoose } = props;
  const id = useId();
  const choose = (text: string) => {
    onChoose(options.find(([candidate]) => candidate === text)?.[0]);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value ?? ''}
        onChange={({ currentTarget }) => choose(currentTarget.value)}
      >
        {automatic !== undefined && <option value="">{automatic}</option>}
        {options.map(([option, words, isPossible]) => (
          <option value={option} key={option} disabled={isPossible === false}>
            {words}
          </option>
        ))}
      </select>
      {help !== undefined && <small>{help}</small>}
    </div>
  );
}

export interface TextProps extends FieldProps {
  readonly value: string;
  readonly placeholder?: string;
  readonly rows?: number;
  readonly onType: (value: string) => void;
}

export function TextArea({ label, help, value, placeholder, rows, onType }: TextProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows ?? 2}
        spellcheck={false}
        autocomplete="off"
        placeholder={placeholder ?? ''}
        value={value}
        onInput={({ currentTarget }) => onType(currentTarget.value)}
      />
      {help !== undefined && <small>{help}</small>}
    </div>
  );
}

export interface NumberProps extends FieldProps {
  readonly value: number | undefined;
  /** What is taken where nothing is typed. */
  readonly automatic: number;
  readonly min: number;
  readonly max?: number;
  readonly step?: number | 'any';
  readonly onType: (value: number | undefined) => void;
}

export function NumberField(props: NumberProps) {
  const { label, help, value, automatic, min, max, step, onType } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        min={min}
        max={max}
        step={step ?? 1}
        value={value ?? ''}
        placeholder={String(automatic)}
        onInput={({ currentTarget }) => {
          const isNumber = currentTarget.validity.valid && currentTarget.value !== '';
          onType(isNumber ? currentTarget.valueAsNumber : undefined);
        }}
      />
      {help !== undefined && <small>{help}</small>}
    </div>
  );
}

export interface CheckProps extends FieldProps {
  readonly isChecked: boolean;
  readonly onCheck: (isChecked: boolean) => void;
}

export function Check({ label, help, isChecked, onCheck }: CheckProps) {
  return (
    <div class="field check">
      <label>
        <input
          type="checkbox"
          checked={isChecked}
          onChange={({ currentTarget }) => onCheck(currentTarget.checked)}
        />
        <span>{label}</span>
      </label>
      {help !== undefined && <small>{help}</small>}
    </div>
  );
}
