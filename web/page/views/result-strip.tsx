/**
 * The result, planned, in the making or finished, always in sight: how small, how good, and the one thing to do next.
 * It exists because everything else on the page is about changing what stands here.
 * Planned sizes are the plan's, to the byte; those of a run are its report's.
 */
import type { Decision, Plan, Report, Sizes } from 'monoquant';
import { useEffect, useRef } from 'preact/hooks';
import { formatBytes, formatDecibels, formatRatio } from '../../../js/words/format.js';
import { printable, printableName } from '../../../js/words/printable.js';
import { takenBytes } from '../../../js/words/sizes.js';
import type { Task } from '../command.js';
import { briefName } from '../map/stacks.js';
import type { Outcome } from '../outcome.js';
import { decibelsOf, labelOf, worstOf } from '../runs.js';
import { FaultNotice, Good } from './notice.js';
import { canNotify, NotifyButton } from './notify-button.js';
import { RunChips } from './run-chips.js';
import { SpaceNotice } from './space-notice.js';
import type { ViewProps } from './view-props.js';
import { WorkProgress } from './work-progress.js';

const CHANGING: readonly Decision[] = ['quantize', 'convert'];
const VERBS: Readonly<Record<Task, string>> = {
  quantize: 'Quantize',
  convert: 'Convert',
  dequantize: 'Dequantize',
};
const DOING: Readonly<Record<Task, string>> = {
  quantize: 'Quantizing',
  convert: 'Converting',
  dequantize: 'Dequantizing',
};

export function ResultStrip({ workbench }: ViewProps) {
  const outcome = workbench.outcome.value;
  const request = workbench.request.value;
  const { plan, fault } = workbench.forecast.value;
  const isRunning = workbench.quantizing.isRunning.value;
  const title = useRef<HTMLHeadingElement>(null);
  const shown = outcome?.request;
  useEffect(() => {
    // Only of a run that has ended just now, and not of one that was looked up again.
    if (shown !== undefined && document.activeElement === document.body) {
      title.current?.focus({ preventScroll: true });
    }
  }, [shown]);
  if (request === undefined) return null;
  const isPlanned = request.task === 'quantize' && outcome === undefined;
  const stale = isPlanned && fault !== undefined;
  return (
    <section class="result" aria-label="Result">
      <div class={`result-line ${stale ? 'stale' : ''}`}>
        <h2 class="state" tabIndex={-1} ref={title}>
          {stateOf(workbench)}
        </h2>
        {outcome !== undefined ? (
          <Figures sizes={outcome.report.sizes} label={outcome.label} />
        ) : (
          plan !== undefined &&
          isPlanned &&
          !workbench.isPlanLate.value && (
            <Figures sizes={plan.sizes} label={labelOf('quantize', plan.configuration)} />
          )
        )}
        {outcome !== undefined && <Quality report={outcome.report} workbench={workbench} />}
        {outcome === undefined && !isPlanned && <p class="grow">{PROMISES[request.task]}</p>}
        {isPlanned && workbench.isPlanLate.value && (
          <p class="grow quiet">What is chosen now is planned when the run is done.</p>
        )}
        {!isRunning && <Primary workbench={workbench} />}
      </div>
      <Making workbench={workbench} />
      {isPlanned && <PlanFaults workbench={workbench} />}
      {outcome !== undefined && <Saving outcome={outcome} />}
      <FaultNotice fault={workbench.quantizing.fault.value} title="The run failed." />
      <RunChips workbench={workbench} />
    </section>
  );
}

const PROMISES: Readonly<Record<Task, string>> = {
  quantize: '',
  convert: 'The same values, bit for bit, in a file of another kind.',
  dequantize: 'Floats again: the values that the codes stand for.',
};

function stateOf({ outcome, making, request }: ViewProps['workbench']): string {
  if (outcome.value !== undefined) return 'Done';
  return making.value !== undefined && making.value === request.value ? 'Running' : 'Planned';
}

function Figures({ sizes, label }: { sizes: Sizes; label: string }) {
  const { sourceBytes, tensorBytes, outputBytes, bitsPerWeight } = sizes;
  const before = takenBytes({ bytes: sourceBytes, tensorBytes });
  const most = Math.max(before, outputBytes, 1);
  return (
    <div class="figures" aria-live="polite">
      <p class="ratio">
        <span class="label">{label}</span> {formatRatio(before, outputBytes)}
      </p>
      <p class="amounts">
        <span class="track" aria-hidden="true">
          <span class="bar" style={{ width: `${(100 * outputBytes) / most}%` }} />
        </span>
        <span class="before">
          <span class="value">{formatBytes(before)}</span>
        </span>{' '}
        <span aria-hidden="true">→</span>
        <span class="hidden">becomes</span>{' '}
        <span class="after">
          <span class="value">{formatBytes(outputBytes)}</span>
        </span>
        <span class="bits">{bitsPerWeight.toFixed(2)} bits per weight</span>
      </p>
    </div>
  );
}

function Quality({ report, workbench }: ViewProps & { readonly report: Report }) {
  const worst = worstOf(report);
  const decibels = report.outputSqnrDb ?? report.sqnrDb;
  return (
    <div class="qualities">
      <p
        class="ratio"
        title="Signal to quantization noise: 20 dB is an error of a tenth of the weights, 40 dB of a hundredth"
      >
        {decibels === null ? 'nothing lost' : formatDecibels(decibels)}
      </p>
      {worst !== undefined && (
        <p class="amounts">
          worst {formatDecibels(decibelsOf(worst))}{' '}
          <button
            type="button"
            class="link short"
            title={printableName(worst.name)}
            onClick={() => {
              workbench.chosenTensor.value = worst.name;
            }}
          >
            {printable(briefName(worst.name))}
          </button>
        </p>
      )}
    </div>
  );
}

/** Quantize, then Save; Cancel stands in its place meanwhile. */
function Primary({ workbench }: ViewProps) {
  const outcome = workbench.outcome.value;
  const task = workbench.request.value?.task ?? 'quantize';
  const { plan, fault } = workbench.forecast.value;
  if (outcome !== undefined) {
    const { name } = outcome;
    return (
      <button
        type="button"
        class={`button large ${outcome.isSafe.value ? '' : 'primary'}`}
        disabled={outcome.saving.isRunning.value}
        onClick={() => outcome.save()}
      >
        Save <span class="file">{name.value}</span>
      </button>
    );
  }
  const isReady =
    task !== 'quantize' || (plan !== undefined && fault === undefined && changes(plan));
  return (
    <button
      type="button"
      class="button primary large"
      disabled={!isReady}
      onClick={() => workbench.quantize()}
    >
      {VERBS[task]}
    </button>
  );
}

function changes({ tensors }: Plan): boolean {
  return tensors.some(({ decision }) => CHANGING.includes(decision));
}

/** How far the run is, whatever is chosen meanwhile. */
function Making({ workbench }: ViewProps) {
  const { quantizing } = workbench;
  const making = workbench.making.value;
  const doing = DOING[making?.task ?? 'quantize'];
  const isElse = making !== undefined && making !== workbench.request.value;
  return (
    <>
      <WorkProgress
        work={quantizing}
        words={{ plan: 'Planning', encode: doing, verify: 'Reading the output back' }}
      />
      {quantizing.isRunning.value && isElse && (
        <p class="quiet">This run goes on as it was begun.</p>
      )}
      {quantizing.isRunning.value && canNotify() && <NotifyButton />}
      {quantizing.wasCancelled.value && (
        <p class="quiet" role="status">
          Cancelled. Nothing was written, and your choices are as they were.
        </p>
      )}
    </>
  );
}

function PlanFaults({ workbench }: ViewProps) {
  const { plan, fault } = workbench.forecast.value;
  return (
    <>
      <FaultNotice fault={fault} title="These choices do not work." />
      {plan !== undefined && <SpaceNotice outputBytes={plan.sizes.outputBytes} />}
      {plan !== undefined && !changes(plan) && (
        <p class="notice warning" role="status">
          With these choices no tensor would change. The table below says why of each.
        </p>
      )}
    </>
  );
}

function Saving({ outcome }: { outcome: Outcome }) {
  const saved = outcome.saved.value;
  const fault = outcome.saving.fault.value;
  return (
    <>
      <WorkProgress work={outcome.saving} words={{ save: 'Saving', compress: 'Compressing' }} />
      <FaultNotice fault={fault} title="It was not saved." />
      {/* Of an earlier attempt: beside what went wrong with this one it would be misread. */}
      {saved !== undefined && fault === undefined && !outcome.saving.isRunning.value && (
        <Good>
          {saved.file === 'download'
            ? `Your browser is saving ${saved.name}: keep this page open until it is there.`
            : `${saved.name.endsWith('/') ? saved.name : saved.file.name} is saved, complete.`}
          {saved.packedBytes !== undefined &&
            ` It has ${formatBytes(saved.packedBytes)}, ${Math.round(
              100 * (1 - saved.packedBytes / outcome.report.sizes.outputBytes),
            )} % less.`}
        </Good>
      )}
    </>
  );
}
