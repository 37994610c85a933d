/**
 * Every choice beyond the presets, as far as it means something with the others.
 * It exists apart because most visitors never open it.
 * Values that nobody chose are those of the plan: what a run would do now.
 */
import type { Configuration, FloatType, LayerKind, Method, Mode, Scheme } from 'monoquant';
import { useState } from 'preact/hooks';
import {
  type Choice,
  canShare,
  SHARINGS,
  type Sharing,
  sharingOf,
  withMode,
  withOption,
  withSharing,
} from '../choice.js';
import { CalibrationField } from './calibration-field.js';
import { Check, NumberField, Select, TextArea } from './field.js';
import type { ViewProps } from './view-props.js';

const SCHEMES: readonly (readonly [Scheme, string])[] = [
  ['symmetric', 'Symmetric: a scale'],
  ['asymmetric', 'Asymmetric: a scale and a zero point'],
];
const METHODS: readonly (readonly [Method, string])[] = [
  ['rtn', 'Largest weight (rtn): fast'],
  ['mse', 'Smallest error (mse): searched'],
];
const MODE_WORDS: Readonly<Record<Mode, string>> = {
  dynamic: 'Quantized as they come (dynamic)',
  static: 'Quantized with stored scales (static)',
  'weights-only': 'Left alone (weights only)',
};
const FLOATS: readonly (readonly [FloatType, string])[] = [
  ['F16', 'F16'],
  ['BF16', 'BF16: as wide a range as F32'],
];

export function MoreOptions({ workbench }: ViewProps) {
  const choice = workbench.choice.value;
  const effective = workbench.forecast.value.plan?.configuration;
  const set = (changed: Choice) => {
    workbench.choice.value = changed;
  };
  const writesFloats = choice.bits === 16 || choice.overrides.some(({ bits }) => bits === 16);
  return (
    <div class="fields">
      {choice.bits !== 16 && <Scales choice={choice} effective={effective} set={set} />}
      {choice.bits === 8 && (
        <Select
          label="Inputs of layers"
          help="Whether the program that loads the model works with 8-bit inputs, too."
          value={choice.mode}
          automatic={automatic(effective && MODE_WORDS[effective.mode])}
          options={(['dynamic', 'static', 'weights-only'] as const).map((mode) => [
            mode,
            MODE_WORDS[mode],
            mode !== 'static' || workbench.data.value !== undefined,
          ])}
          onChoose={(mode) => set(withMode(choice, mode))}
        />
      )}
      {writesFloats && (
        <Select
          label="16-bit floats"
          value={choice.floatType ?? 'F16'}
          options={FLOATS}
          onChoose={(floatType) => set(withOption(choice, 'floatType', floatType))}
        />
      )}
      {choice.bits !== 16 && <CalibrationField workbench={workbench} />}
      <Which workbench={workbench} set={set} />
      <Select
        label="File"
        value={choice.container ?? 'safetensors'}
        options={[
          ['safetensors', '.safetensors, for vLLM and transformers'],
          ['pt', '.pt, a plain state dict of PyTorch'],
        ]}
        onChoose={(container) => set(withOption(choice, 'container', container))}
      />
      <Check
        label="Write tied tensors once a name"
        isChecked={choice.duplicateTies ?? false}
        onCheck={(isChecked) => set(withOption(choice, 'duplicateTies', isChecked || undefined))}
      />
    </div>
  );
}

interface ScalesProps {
  readonly choice: Choice;
  readonly effective: Configuration | undefined;
  readonly set: (choice: Choice) => void;
}

function Scales({ choice, effective, set }: ScalesProps) {
  const mode = effective?.mode ?? 'dynamic';
  const shared = effective && sharingOf(effective.strategy, effective.groupSize);
  const chosen =
    choice.groupSize !== undefined
      ? (String(choice.groupSize) as Sharing)
      : choice.strategy === 'group'
        ? undefined
        : choice.strategy;
  return (
    <>
      <Select
        label="Scheme"
        value={choice.scheme ?? 'symmetric'}
        options={SCHEMES}
        onChoose={(scheme) => set(withOption(choice, 'scheme', scheme))}
      />
      <Select
        label="One scale for"
        help={
          choice.bits === 8 && mode !== 'weights-only'
            ? 'Groups of 8-bit weights need inputs that are left alone.'
            : undefined
        }
        value={chosen}
        automatic={automatic(shared && SHARING_WORDS[shared])}
        options={SHARINGS.map((sharing) => [
          sharing,
          SHARING_WORDS[sharing],
          canShare(choice, mode, sharing),
        ])}
        onChoose={(sharing) => set(withSharing(choice, sharing))}
      />
      <Select
        label="Scales from"
        value={choice.method}
        automatic={automatic(METHODS.find(([method]) => method === effective?.method)?.[1])}
        options={METHODS}
        onChoose={(method) => set(withOption(choice, 'method', method))}
      />
    </>
  );
}

const SHARING_WORDS: Readonly<Record<Sharing, string>> = {
  tensor: 'a whole tensor',
  channel: 'an output channel',
  256: '256 weights',
  128: '128 weights',
  64: '64 weights',
  32: '32 weights',
};

function automatic(words: string | undefined): string {
  return words === undefined ? 'Automatic' : `Automatic: ${words}`;
}

/** Which tensors are quantized at all. */
function Which({ workbench, set }: ViewProps & { readonly set: (choice: Choice) => void }) {
  const choice = workbench.choice.value;
  const effective = workbench.forecast.value.plan?.configuration;
  const kinds = workbench.model.value?.catalog.tensors.map(({ kind }) => kind) ?? [];
  const selected = new Set(choice.layers ?? effective?.layers ?? []);
  const toggle = (kind: LayerKind, isOn: boolean) => {
    if (isOn) selected.add(kind);
    else selected.delete(kind);
    set(withOption(choice, 'layers', [...selected]));
  };
  return (
    <>
      <fieldset class="field kinds">
        <legend>Layers to quantize</legend>
        {[...new Set(kinds)].filter(isQuantizable).map((kind) => (
          <label key={kind}>
            <input
              type="checkbox"
              checked={selected.has(kind)}
              onChange={({ currentTarget }) => toggle(kind, currentTarget.checked)}
            />{' '}
            {kind}
          </label>
        ))}
      </fieldset>
      <Ignore key={workbench.model.value?.name} choice={choice} set={set} />
      <Check
        label="Also embeddings, heads and routers"
        help="They are spared by default: small errors there cost much."
        isChecked={choice.defaultIgnore === false}
        onCheck={(isChecked) =>
          set(withOption(choice, 'defaultIgnore', isChecked ? false : undefined))
        }
      />
      <NumberField
        label="Smallest tensor to quantize, in weights"
        value={choice.minElements}
        automatic={effective?.minElements ?? 0}
        min={0}
        onType={(minElements) => set(withOption(choice, 'minElements', minElements))}
      />
    </>
  );
}

/** Kinds that are never more than one-dimensional are no choice. */
function isQuantizable(kind: LayerKind): boolean {
  return kind !== 'norm' && kind !== 'bias';
}

/** Holds what is typed: an empty line is no pattern, but the next one may be about to come. */
function Ignore({ choice, set }: { choice: Choice; set: (choice: Choice) => void }) {
  const [text, setText] = useState(choice.ignore.join('\n'));
  return (
    <TextArea
      label="Leave alone"
      help={
        <>
          Names of tensors or modules, one a line; <code>*</code> stands for anything,{' '}
          <code>re:</code> begins a regular expression.
        </>
      }
      placeholder="model.layers.0"
      value={text}
      onType={(typed) => {
        setText(typed);
        set({ ...choice, ignore: linesOf(typed) });
      }}
    />
  );
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
