/**
 * What the user chooses: three presets, and everything else behind one more click.
 * It exists so that nobody has to know the words, and whoever knows them finds them all.
 * What was not chosen shows what it follows from the rest.
 */
import type { Bits, Dtype, TensorInfo } from 'monoquant';
import { useMemo } from 'preact/hooks';
import { countBy } from '../../../js/words/counts.js';
import { formatBytes } from '../../../js/words/format.js';
import { MoreOptions } from './more-options.js';
import { SizeCurveField } from './size-curve.js';
import type { ViewProps } from './view-props.js';

const PRESETS: readonly {
  readonly bits: Bits;
  readonly title: string;
  readonly words: string;
}[] = [
  { bits: 8, title: 'INT8', words: 'W8A8, hardly any loss' },
  { bits: 4, title: 'INT4', words: 'W4A16, for LLMs' },
  { bits: 16, title: 'FP16', words: 'practically no loss' },
];

export function OptionsForm({ workbench }: ViewProps) {
  const choice = workbench.choice.value;
  const sizes = workbench.presetBytes.value;
  const tensors = workbench.model.value?.catalog.tensors;
  const stored = useMemo(() => storedType(tensors ?? []), [tensors]);
  return (
    <section class="card" aria-labelledby="options-title">
      <h2 id="options-title">Choose</h2>
      <form onSubmit={(event) => event.preventDefault()}>
        <fieldset class="presets">
          <legend class="hidden">Precision</legend>
          {PRESETS.map(({ bits, title, words }) => (
            <label class="preset" key={bits}>
              <input
                type="radio"
                name="bits"
                value={bits}
                checked={choice.budget == null && choice.bits === bits}
                onChange={() => workbench.change({ bits, budget: undefined })}
              />
              <strong>{title}</strong>
              <span>
                {sizes.has(bits) ? formatBytes(sizes.get(bits) ?? 0) : sizeWords(bits, stored)}
              </span>
              <small>{bits === 16 && STORED_BITS[stored] === 16 ? '16 bits already' : words}</small>
            </label>
          ))}
        </fieldset>
        <SizeCurveField workbench={workbench} />
        <details class="more">
          <summary>More options</summary>
          <MoreOptions workbench={workbench} />
        </details>
      </form>
    </section>
  );
}

/** Bits of the types that weights are mostly stored as. */
const STORED_BITS: Partial<Record<Dtype, number>> = { F64: 64, F32: 32, F16: 16, BF16: 16 };

/** The float type that takes the most bytes. */
function storedType(tensors: readonly TensorInfo[]): Dtype {
  const floats = tensors.filter(({ dtype }) => dtype in STORED_BITS);
  const [most] = countBy(
    floats,
    ({ dtype }) => dtype,
    ({ bytes }) => bytes,
  );
  return (most?.[0] as Dtype | undefined) ?? 'F32';
}

const SHARES: Readonly<Record<number, string>> = {
  1: 'as large as',
  2: 'half of',
  4: '¼ of',
  8: '⅛ of',
  16: '¹⁄₁₆ of',
};

/** `about ¼ of F32`: what is left, but for scales and tensors that are spared. */
function sizeWords(bits: Bits, stored: Dtype): string {
  const share = (STORED_BITS[stored] ?? 32) / bits;
  return `${bits === 16 ? '' : 'about '}${SHARES[share] ?? 'of'} ${stored}`;
}
