/**
 * The demonstration: what somebody draws, and what the classifier answers in float and in fewer and fewer bits.
 * It arrives only with the model that it is for.
 * Every answer is computed from the values of a file that the engine wrote.
 */
import '../style/digits.css';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { formatBytes, formatRatio } from '../../../js/words/format.js';
import {
  type Answered,
  Demonstration,
  FEWEST_BITS,
  MOST_BITS,
  type Wanted,
} from '../digits/demonstration.js';
import { type Fault, faultOf } from '../fault.js';
import type { OpenModel } from '../open-model.js';
import { TestImages } from './digit-images.js';
import { DigitPad } from './digit-pad.js';
import { FaultNotice } from './notice.js';
import type { ViewProps } from './view-props.js';

interface DemonstrationProps {
  readonly demonstration: Demonstration;
}

export function DigitsCard({ workbench, model }: ViewProps & { readonly model: OpenModel }) {
  const demonstration = useMemo(() => new Demonstration(workbench, model), [workbench, model]);
  const [fault, setFault] = useState<Fault>();
  useEffect(() => {
    demonstration.begin().catch((error: unknown) => setFault(faultOf(error)));
    return () => demonstration.end();
  }, [demonstration]);
  return (
    <section class="card digits" aria-labelledby="digits-title">
      <h2 id="digits-title">Draw a digit</h2>
      <FaultNotice fault={fault} title="The demonstration could not begin." />
      <div class="digits-body">
        <div>
          <DigitPad demonstration={demonstration} />
          <TestImages demonstration={demonstration} />
        </div>
        <div>
          <Answers demonstration={demonstration} />
          <Slider demonstration={demonstration} />
        </div>
      </div>
      <p class="quiet">
        Each column is a file that the engine writes on this device and reads back; activations stay
        float here. Accuracy is of 500 images that the model was not trained on (E. Alpaydin and C.
        Kaynak, 1998, CC BY 4.0). Choose bits for single layers below and quantize: that run becomes
        a column, too.
      </p>
    </section>
  );
}

function Answers({ demonstration }: DemonstrationProps) {
  const shown = demonstration.shown.value;
  const float = shown[0]?.answer;
  return (
    <>
      <ul class="answers">
        {shown.map((answered, index) => (
          <Column
            key={answered.wanted.kind === 'bits' ? index : answered.wanted.kind}
            answered={answered}
            float={float}
            floatBytes={shown[0]?.tested?.variant?.bytes}
            images={demonstration.images.value.length}
          />
        ))}
      </ul>
      <p class="hidden" role="status">
        {shown
          .filter(({ answer }) => answer !== undefined)
          .map(({ wanted, answer }) => `${titleOf(wanted)} answers ${answer}`)
          .join(', ')}
      </p>
    </>
  );
}

interface ColumnProps {
  readonly answered: Answered;
  /** What the float model answers. */
  readonly float: number | undefined;
  readonly floatBytes: number | undefined;
  readonly images: number;
}

function Column({ answered, float, floatBytes, images }: ColumnProps) {
  const { wanted, tested, probabilities, answer } = answered;
  const title = titleOf(wanted);
  const isOther = answer !== float;
  const bytes = tested?.variant?.bytes;
  return (
    <li class={isOther ? 'other' : ''}>
      <h3>{title}</h3>
      <p class="answer">
        <span class="hidden">answers </span>
        {answer ?? '…'}
        {isOther && <span class="hidden">, not what float answers</span>}
      </p>
      <ol aria-label={`What ${title} has for each digit`}>
        {Array.from(probabilities ?? new Float64Array(10), (probability, digit) => (
          <li key={digit} class={digit === answer ? 'best' : ''}>
            <span class="digit">{digit}</span>
            <span class="track" aria-hidden="true">
              <span class="bar" style={{ width: `${100 * probability}%` }} />
            </span>
            <span class="share">{Math.round(100 * probability)} %</span>
          </li>
        ))}
      </ol>
      <p class="cost">
        <strong>{bytes === undefined ? '…' : formatBytes(bytes)}</strong>
        {bytes !== undefined && floatBytes !== undefined && wanted.kind !== 'float' && (
          <span> {formatRatio(floatBytes, bytes)}</span>
        )}
      </p>
      <p class="cost">
        {tested?.right === undefined
          ? 'counting …'
          : `${((100 * tested.right) / images).toFixed(1)} % right`}
      </p>
    </li>
  );
}

/** The bits of the last column but a run's. */
function Slider({ demonstration }: DemonstrationProps) {
  const { bits, everywhere, lost } = demonstration;
  const count = lost.value.length;
  return (
    <div class="fewer">
      <label>
        <span>
          Bits a weight: <output>{bits}</output>
        </span>
        <input
          type="range"
          min={FEWEST_BITS}
          max={MOST_BITS}
          step={1}
          value={bits.value}
          onInput={({ currentTarget }) => {
            bits.value = currentTarget.valueAsNumber as typeof bits.value;
          }}
        />
        <span class="ends" aria-hidden="true">
          <span>{FEWEST_BITS}</span>
          <span>{MOST_BITS}</span>
        </span>
      </label>
      <label class="everywhere">
        <input
          type="checkbox"
          checked={everywhere.value}
          onChange={({ currentTarget }) => {
            everywhere.value = currentTarget.checked;
          }}
        />
        the first and the last layer, too
      </label>
      <button
        type="button"
        class="button"
        disabled={count === 0}
        onClick={() => {
          const at = lost.value.findIndex((image) => image === demonstration.picture.value);
          demonstration.show(lost.value[(at + 1) % count]);
        }}
      >
        {count === 0
          ? 'No image that only float gets right'
          : `Show an image that only float gets right (${count})`}
      </button>
    </div>
  );
}

function titleOf(wanted: Wanted): string {
  if (wanted.kind === 'float') return 'Float';
  if (wanted.kind === 'run') return `Your ${wanted.run.label}`;
  return `INT${wanted.bits}${wanted.everywhere ? ', all' : ''}`;
}
