/**
 * The run that is shown: what it brought, what it cost, how to use it, and the ways to take it along.
 * All numbers are the report's.
 */
import { useId, useState } from 'preact/hooks';
import { formatDuration, formatPlural, formatRate } from '../../../js/words/format.js';
import { printableJson } from '../../../js/words/printable.js';
import { qualityWords } from '../../../js/words/quality.js';
import type { Outcome } from '../outcome.js';
import { download } from '../save.js';
import { ExportRuns } from './export-runs.js';
import { Facts } from './facts.js';
import { Later, turnsFor } from './later.js';
import { Warnings } from './notice.js';
import { Planned } from './plan-card.js';
import { Repeat } from './repeat.js';
import { SaveCompressed } from './save-compressed.js';
import { UseIt } from './use-it.js';
import { ValidationView } from './validation-view.js';
import type { ViewProps } from './view-props.js';

export function RunCard({ workbench }: ViewProps) {
  const outcome = workbench.outcome.value;
  if (outcome === undefined) return null;
  const { report, request } = outcome;
  // That of the run: it is shown only with its own choices.
  const { plan } = workbench.forecast.value;
  const { timings, engine, sizes } = report;
  const turn = turnsFor(workbench);
  const total = timings.planMs + timings.encodeMs + timings.verifyMs;
  const rate = total > 0 ? (1000 * sizes.tensorBytes) / total : 0;
  return (
    <section class="card outcome" aria-labelledby="outcome-title">
      <h2 id="outcome-title">What came out</h2>
      <FileName outcome={outcome} workbench={workbench} key={outcome.name.value} />
      <Facts
        facts={[
          ['Quality', qualityWords(report)],
          ['Bits per weight', sizes.bitsPerWeight.toFixed(2)],
          ['Time', `${formatDuration(total)}${rate > 0 ? `, ${formatRate(rate)}` : ''}`],
          ['Engine', engine.kind === 'mt' ? formatPlural(engine.threads, 'thread') : 'one thread'],
          ['Checked', 'read back and compared with checksums taken while encoding'],
        ]}
      />
      {plan !== undefined && request.task === 'quantize' && <Planned plan={plan} />}
      <Actions outcome={outcome} workbench={workbench} />
      <ValidationView outcome={outcome} />
      <Warnings warnings={report.warnings} />
      <Later turn={turn(0)} key={outcome.name.value}>
        <UseIt outcome={outcome} />
      </Later>
      <h3>Do it again</h3>
      <Repeat
        command={outcome.command.value}
        configuration={request.task === 'quantize' ? report.configuration : undefined}
      />
    </section>
  );
}

function FileName({ outcome, workbench }: ViewProps & { readonly outcome: Outcome }) {
  const id = useId();
  const [typed, setTyped] = useState(outcome.name.value);
  const taken = () =>
    workbench.runs.value.filter((run) => run !== outcome).map((run) => run.name.value);
  return (
    <p class="file-name">
      <label for={id}>File name</label>
      <input
        id={id}
        type="text"
        spellcheck={false}
        autocomplete="off"
        value={typed}
        onInput={({ currentTarget }) => setTyped(currentTarget.value)}
        onChange={() => {
          outcome.rename(typed, taken());
          setTyped(outcome.name.value);
        }}
      />
    </p>
  );
}

function Actions({ outcome, workbench }: ViewProps & { readonly outcome: Outcome }) {
  const model = workbench.model.value;
  const config = model?.config;
  return (
    <div class="buttons">
      {model?.folder === true && !outcome.isGguf && (
        <button type="button" class="button" onClick={() => outcome.saveAsFolder()}>
          Save as folder
        </button>
      )}
      <SaveCompressed outcome={outcome} />
      {config !== undefined && !outcome.isGguf && (
        <button type="button" class="button" onClick={() => outcome.saveConfig(config)}>
          Save config.json
        </button>
      )}
      <button type="button" class="button" onClick={() => outcome.validate()}>
        Validate
      </button>
      <button type="button" class="button" onClick={() => outcome.saveReport()}>
        Save report
      </button>
      <button
        type="button"
        class="button"
        onClick={() =>
          download(jsonOf(outcome), outcome.name.value.replace(/\.\w+$/, '-report.json'))
        }
      >
        Save the report as JSON
      </button>
      {workbench.runs.value.length === 1 && <ExportRuns workbench={workbench} />}
    </div>
  );
}

function jsonOf({ report }: Outcome): Blob {
  return new Blob([`${printableJson(report)}\n`], { type: 'application/json' });
}
