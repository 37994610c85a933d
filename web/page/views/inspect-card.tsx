/**
 * A file that is only looked at: how its weights are stored, and whether its codes and scales are sound.
 */
import { signal } from '@preact/signals';
import type { Validation } from 'monoquant';
import { useMemo } from 'preact/hooks';
import { countBy } from '../../../js/words/counts.js';
import { formatPlural } from '../../../js/words/format.js';
import { printable } from '../../../js/words/printable.js';
import { codesWords } from '../../../js/words/wording.js';
import { Work } from '../work.js';
import { Facts } from './facts.js';
import { ValidationView } from './validation-view.js';
import type { ViewProps } from './view-props.js';

export function InspectCard({ workbench }: ViewProps) {
  const model = workbench.model.value;
  const check = useMemo(
    () => ({ validation: signal<Validation | undefined>(undefined), validating: new Work() }),
    [model],
  );
  if (workbench.activity.value !== 'inspect' || model === undefined) return null;
  const { tensors, metadata, foreign } = model.catalog;
  const codes = tensors.flatMap(({ quantization }) => quantization ?? []);
  const validate = async () => {
    try {
      check.validation.value = await check.validating.run((run) => model.handle.validate(run));
    } catch {
      // The work has kept what went wrong.
    }
  };
  return (
    <section class="card" aria-labelledby="inspect-title">
      <h2 id="inspect-title">What is in it</h2>
      <Facts
        facts={[
          [
            'Weights',
            codes.length === 0
              ? 'floats, as they were trained'
              : countBy(codes, codesWords)
                  .map(([words, count]) => `${formatPlural(count, 'tensor')} ${words}`)
                  .join(', '),
          ],
          foreign.length > 0 && [
            'Not read',
            foreign.map(({ layout, tensors: n }) => `${printable(layout)}: ${n}`).join(', '),
          ],
          ...Object.entries(metadata)
            .slice(0, MOST_SHOWN)
            .map(([key, text]) => [printable(key), shortened(printable(text))] as const),
        ]}
      />
      {model.hasCodes && (
        <div class="buttons">
          <button type="button" class="button primary" onClick={validate}>
            Check codes and scales
          </button>
        </div>
      )}
      <ValidationView outcome={check} />
    </section>
  );
}

const MOST_SHOWN = 24;
const LONGEST = 160;

function shortened(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)} … (${text.length} characters)`;
}
