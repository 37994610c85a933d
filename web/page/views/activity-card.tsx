/**
 * What is to be done with the model: only what its content allows is offered, the likeliest first.
 * It exists because not everything that is dropped here is to be quantized.
 */
import { useId } from 'preact/hooks';
import type { OpenModel } from '../open-model.js';
import type { Activity } from '../workbench.js';
import type { ViewProps } from './view-props.js';

interface Offer {
  readonly activity: Activity;
  readonly title: string;
  readonly words: string;
}

const OFFERS: Readonly<Record<Activity, Omit<Offer, 'activity'>>> = {
  quantize: { title: 'Quantize', words: 'Fewer bits a weight, for loaders that know them.' },
  convert: { title: 'Convert', words: 'The same values in a .safetensors or .pt file.' },
  dequantize: { title: 'Dequantize', words: 'Codes become floats again.' },
  inspect: { title: 'Inspect', words: 'What is in it, and whether it is sound.' },
  compare: { title: 'Compare', words: 'With another file, value by value.' },
};

/** What a file of this content can be used for. */
function activitiesFor({ hasCodes }: OpenModel): readonly Activity[] {
  return hasCodes
    ? ['inspect', 'dequantize', 'compare', 'quantize', 'convert']
    : ['quantize', 'convert', 'compare', 'inspect'];
}

export function ActivityCard({ workbench }: ViewProps) {
  const id = useId();
  const model = workbench.model.value;
  if (model === undefined) return null;
  const current = workbench.activity.value;
  return (
    <section class="card activity" aria-labelledby={id}>
      <h2 id={id} class="hidden">
        What to do
      </h2>
      <div class="segments" role="radiogroup" aria-labelledby={id}>
        {activitiesFor(model).map((activity) => (
          <label key={activity}>
            <input
              type="radio"
              name="activity"
              checked={activity === current}
              onChange={() => {
                workbench.activity.value = activity;
              }}
            />
            {OFFERS[activity].title}
          </label>
        ))}
      </div>
      <p class="quiet">{OFFERS[current].words}</p>
      {(current === 'convert' || current === 'dequantize') && <Container workbench={workbench} />}
    </section>
  );
}

function Container({ workbench }: ViewProps) {
  const { container = 'safetensors' } = workbench.choice.value;
  return (
    <fieldset class="field kinds">
      <legend>File</legend>
      {(['safetensors', 'pt'] as const).map((each) => (
        <label key={each}>
          <input
            type="radio"
            name="container"
            checked={container === each}
            onChange={() => workbench.change({ container: each })}
          />
          {each === 'pt' ? '.pt (PyTorch)' : '.safetensors (nothing in it can run)'}
        </label>
      ))}
    </fieldset>
  );
}
