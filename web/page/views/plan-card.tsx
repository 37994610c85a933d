/**
 * What a run would make of the model, in detail, and the command that does the same.
 * It exists so that a choice shows its price before any work.
 */
import type { Plan } from 'monoquant';
import { countBy } from '../../../js/words/counts.js';
import { formatCount, formatPlural, formatShare } from '../../../js/words/format.js';
import { layoutWords } from '../../../js/words/layout.js';
import { mixFacts } from '../../../js/words/report/mix.js';
import { convertedWords, quantizationWords, REASON_WORDS } from '../../../js/words/wording.js';
import { commandOf, outputName } from '../command.js';
import { type Fact, Facts } from './facts.js';
import { Warnings } from './notice.js';
import { Repeat } from './repeat.js';
import type { ViewProps } from './view-props.js';

export function PlanCard({ workbench }: ViewProps) {
  const { plan, fault } = workbench.forecast.value;
  if (plan === undefined || workbench.outcome.value !== undefined) return null;
  if (workbench.isPlanLate.value) return null;
  return (
    <section class="card plan" aria-labelledby="plan-title">
      <h2 id="plan-title">The plan</h2>
      <div class={fault === undefined ? '' : 'stale'}>
        <Planned plan={plan} />
      </div>
      {fault === undefined && <PlannedCommand workbench={workbench} plan={plan} />}
      <Warnings warnings={plan.warnings} />
    </section>
  );
}

/** What becomes of the tensors, and how. */
export function Planned({ plan }: { plan: Plan }) {
  return <Facts facts={factsOf(plan)} />;
}

/** The plan, and the run that was made by it, show the same. */
const known = new WeakMap<Plan, readonly Fact[]>();

function factsOf(plan: Plan): readonly Fact[] {
  const facts = known.get(plan) ?? toldOf(plan);
  known.set(plan, facts);
  return facts;
}

function toldOf(plan: Plan): readonly Fact[] {
  const { sizes, tensors, configuration } = plan;
  const of = (decision: string) => tensors.filter((tensor) => tensor.decision === decision);
  const [quantized, converted, copied] = [of('quantize'), of('convert'), of('copy')];
  const corrected = of('correct');
  const reasons = countBy(copied, ({ reason }) => REASON_WORDS[reason]);
  const facts: readonly (Fact | false)[] = [
    quantized.length > 0 && [
      'Quantized',
      `${formatPlural(quantized.length, 'tensor')}, ${formatShare(sizes.quantizedParameters, sizes.parameters)} of the weights`,
    ],
    ...mixFacts(plan.mix).flatMap((fact): readonly Fact[] =>
      fact === undefined ? [] : [[fact[0] === '' ? '' : 'Budget', fact[1]]],
    ),
    quantized.length > 0 && ['How', quantizationWords(plan)],
    quantized.length > 0 && ['Layout', layoutWords(configuration)],
    converted.length > 0 && ['Converted', convertedWords(converted)],
    corrected.length > 0 && ['Corrected', formatPlural(corrected.length, 'bias', 'biases')],
    copied.length > 0 && [
      'Left alone',
      `${formatPlural(copied.length, 'tensor')}: ${reasons.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ')}`,
    ],
  ];
  return facts.filter((fact) => fact !== false);
}

function PlannedCommand({ workbench, plan }: ViewProps & { readonly plan: Plan }) {
  const { name = '', path = '' } = workbench.model.value ?? {};
  const calibration = workbench.choice.value.bits === 16 ? [] : (workbench.data.value?.names ?? []);
  const output = outputName(name, plan.configuration);
  const command = commandOf(workbench.choice.value, { model: path, output, calibration });
  return <Repeat command={command} configuration={{ ...plan.configuration, calibration }} />;
}
