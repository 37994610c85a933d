/**
 * What a run would make of the model, before any work; and the button that begins it.
 * It exists so that a choice shows its price at once.
 * The size is the plan's, to the byte.
 */
import type { Decision, Plan, Sizes } from 'monoquant';
import { countBy } from '../../../js/words/counts.js';
import {
  formatBytes,
  formatCount,
  formatPlural,
  formatRatio,
  formatShare,
} from '../../../js/words/format.js';
import { printableJson } from '../../../js/words/printable.js';
import { takenBytes } from '../../../js/words/sizes.js';
import { quantizationWords, REASON_WORDS } from '../../../js/words/wording.js';
import { commandOf, outputName } from '../command.js';
import type { Workbench } from '../workbench.js';
import { CopyButton } from './copy-button.js';
import { Facts } from './facts.js';
import { FaultNotice, Warnings } from './notice.js';
import { SpaceNotice } from './space-notice.js';
import type { ViewProps } from './view-props.js';
import { WorkProgress } from './work-progress.js';

const CHANGING: readonly Decision[] = ['quantize', 'convert'];

export function ForecastCard({ workbench }: ViewProps) {
  const { plan, fault } = workbench.forecast.value;
  const isRunning = workbench.quantizing.isRunning.value;
  const changes = plan?.tensors.some(({ decision }) => CHANGING.includes(decision)) ?? true;
  const wasCancelled = workbench.quantizing.wasCancelled.value;
  return (
    <section class="card forecast" aria-labelledby="forecast-title">
      <h2 id="forecast-title">Result, as planned</h2>
      {plan !== undefined && <Planned plan={plan} isStale={fault !== undefined} />}
      <FaultNotice fault={fault} title="These choices do not work." />
      {plan !== undefined && <SpaceNotice outputBytes={plan.sizes.outputBytes} />}
      {!changes && (
        <p class="notice warning" role="status">
          With these choices no tensor would change. The table below says why of each.
        </p>
      )}
      {!isRunning && (
        <button
          type="button"
          class="button primary large"
          disabled={plan === undefined || fault !== undefined || !changes}
          onClick={() => workbench.quantize()}
        >
          Quantize
        </button>
      )}
      <WorkProgress
        work={workbench.quantizing}
        words={{ plan: 'Planning', encode: 'Quantizing', verify: 'Reading the output back' }}
      />
      {wasCancelled && (
        <p class="quiet" role="status">
          Cancelled. Nothing was written, and your choices are as they were.
        </p>
      )}
      <FaultNotice fault={workbench.quantizing.fault.value} title="The run failed." />
      {plan !== undefined && fault === undefined && <Repeat workbench={workbench} plan={plan} />}
      {plan !== undefined && <Warnings warnings={plan.warnings} />}
    </section>
  );
}

function Planned({ plan, isStale }: { plan: Plan; isStale: boolean }) {
  const { sizes, tensors, configuration } = plan;
  const of = (decision: string) => tensors.filter((tensor) => tensor.decision === decision);
  const [quantized, converted, copied] = [of('quantize'), of('convert'), of('copy')];
  const reasons = countBy(copied, ({ reason }) => REASON_WORDS[reason]);
  return (
    <div class={isStale ? 'stale' : ''} aria-live="polite">
      <SizeBars sizes={sizes} />
      <Facts
        facts={[
          ['Bits per weight', sizes.bitsPerWeight.toFixed(2)],
          quantized.length > 0 && [
            'Quantized',
            `${formatPlural(quantized.length, 'tensor')}, ${formatShare(sizes.quantizedParameters, sizes.parameters)} of the weights`,
          ],
          quantized.length > 0 && ['How', quantizationWords(plan)],
          converted.length > 0 && [
            'Converted',
            `${formatPlural(converted.length, 'tensor')} to ${configuration.floatType}`,
          ],
          copied.length > 0 && [
            'Left alone',
            `${formatPlural(copied.length, 'tensor')}: ${reasons.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ')}`,
          ],
        ]}
      />
    </div>
  );
}

/** Before and after, drawn to scale. */
export function SizeBars({ sizes }: { sizes: Sizes }) {
  const { sourceBytes, tensorBytes, outputBytes } = sizes;
  const before = takenBytes({ bytes: sourceBytes, tensorBytes });
  const most = Math.max(before, outputBytes, 1);
  const bar = (label: string, bytes: number, kind: string) => (
    <div class={`size ${kind}`}>
      <span class="label">{label}</span>
      <span class="track" aria-hidden="true">
        <span class="bar" style={{ width: `${(100 * bytes) / most}%` }} />
      </span>
      <span class="value">{formatBytes(bytes)}</span>
    </div>
  );
  return (
    <div class="sizes">
      {bar('before', before, 'before')}
      {bar('after', outputBytes, 'after')}
      <p class="ratio">{formatRatio(before, outputBytes)}</p>
    </div>
  );
}

function Repeat({ workbench, plan }: { workbench: Workbench; plan: Plan }) {
  const { name = '', path = '' } = workbench.model.value ?? {};
  const calibration = workbench.choice.value.bits === 16 ? [] : (workbench.data.value?.names ?? []);
  const output = outputName(name, plan.configuration);
  const command = commandOf(workbench.choice.value, { model: path, output, calibration });
  const configuration = { ...plan.configuration, calibration };
  return (
    <div class="repeat">
      <code class="command">{command}</code>
      <div class="buttons">
        <CopyButton label="Copy as command" text={command} />
        <CopyButton label="Copy as config" text={`${printableJson(configuration)}\n`} />
      </div>
    </div>
  );
}
