/**
 * What the user chooses: three presets, and everything else behind one more click.
 * It exists so that nobody has to know the words, and whoever knows them finds them all.
 * What was not chosen shows what it follows from the rest.
 */
import type { Bits } from 'monoquant';
import { withBits } from '../choice.js';
import { MoreOptions } from './more-options.js';
import type { ViewProps } from './view-props.js';

const PRESETS: readonly {
  readonly bits: Bits;
  readonly title: string;
  readonly size: string;
  readonly words: string;
}[] = [
  { bits: 8, title: 'INT8', size: 'about ¼ of F32', words: 'Hardly any loss. The safe choice.' },
  { bits: 4, title: 'INT4', size: 'about ⅛ of F32', words: 'Smallest. For large language models.' },
  { bits: 16, title: 'FP16', size: 'half of F32', words: 'Practically no loss. Still floats.' },
];

export function OptionsForm({ workbench }: ViewProps) {
  const choice = workbench.choice.value;
  return (
    <section class="card" aria-labelledby="options-title">
      <h2 id="options-title">Choose</h2>
      <form onSubmit={(event) => event.preventDefault()}>
        <fieldset class="presets">
          <legend class="hidden">Precision</legend>
          {PRESETS.map(({ bits, title, size, words }) => (
            <label class="preset" key={bits}>
              <input
                type="radio"
                name="bits"
                value={bits}
                checked={choice.bits === bits}
                onChange={() => {
                  workbench.choice.value = withBits(choice, bits);
                }}
              />
              <strong>{title}</strong>
              <span>{size}</span>
              <small>{words}</small>
            </label>
          ))}
        </fieldset>
        <details class="more">
          <summary>More options</summary>
          <MoreOptions workbench={workbench} />
        </details>
      </form>
    </section>
  );
}
