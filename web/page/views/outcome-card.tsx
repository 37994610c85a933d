/**
 * The finished run: what it brought, what it cost, and the way to take it along.
 * It exists as the end of the way that begins with a drop.
 * All numbers are the report's.
 */
import { useEffect, useRef } from 'preact/hooks';
import { formatBytes, formatDuration, formatPlural, formatRate } from '../../../js/words/format.js';
import { printableJson } from '../../../js/words/printable.js';
import { qualityWords } from '../../../js/words/quality.js';
import type { Outcome, SavedOutput } from '../outcome.js';
import { download } from '../save.js';
import type { Workbench } from '../workbench.js';
import { CopyButton } from './copy-button.js';
import { Facts } from './facts.js';
import { SizeBars } from './forecast-card.js';
import { FaultNotice, Good, Warnings } from './notice.js';
import { QualityList } from './quality-list.js';
import { SaveCompressed } from './save-compressed.js';
import { ValidationView } from './validation-view.js';
import type { ViewProps } from './view-props.js';
import { WorkProgress } from './work-progress.js';

export function OutcomeCard({ workbench }: ViewProps) {
  const outcome = workbench.outcome.value;
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (outcome !== undefined) title.current?.focus();
  }, [outcome]);
  if (outcome === undefined) return null;
  const { report } = outcome;
  const { timings, engine, sizes } = report;
  const total = timings.planMs + timings.encodeMs + timings.verifyMs;
  const rate = timings.encodeMs > 0 ? (1000 * sizes.tensorBytes) / timings.encodeMs : 0;
  return (
    <section class="card outcome" aria-labelledby="outcome-title">
      <h2 id="outcome-title" tabIndex={-1} ref={title}>
        Done
      </h2>
      <SizeBars sizes={sizes} />
      <Facts
        facts={[
          ['Quality', qualityWords(report)],
          ['Bits per weight', sizes.bitsPerWeight.toFixed(2)],
          ['Time', `${formatDuration(total)}${rate > 0 ? `, ${formatRate(rate)}` : ''}`],
          ['Engine', engine.kind === 'mt' ? formatPlural(engine.threads, 'thread') : 'one thread'],
          ['Checked', 'read back and compared with checksums taken while encoding'],
        ]}
      />
      <TakeAway outcome={outcome} workbench={workbench} />
      <Warnings warnings={report.warnings} />
      <QualityList report={report} workbench={workbench} />
    </section>
  );
}

function TakeAway({ outcome, workbench }: { outcome: Outcome; workbench: Workbench }) {
  const { report, name, command } = outcome;
  const config = workbench.model.value?.config;
  const saved = outcome.saved.value;
  const reportText = `${printableJson(report)}\n`;
  return (
    <>
      <div class="buttons">
        <button type="button" class="button primary" onClick={() => outcome.save()}>
          Save {name}
        </button>
        <SaveCompressed outcome={outcome} />
        {config !== undefined && (
          <button type="button" class="button" onClick={() => outcome.saveConfig(config)}>
            Save config.json
          </button>
        )}
        <button type="button" class="button" onClick={() => outcome.validate()}>
          Validate
        </button>
        <button
          type="button"
          class="button"
          onClick={() => download(jsonOf(reportText), name.replace(/\.\w+$/, '-report.json'))}
        >
          Save the report
        </button>
        <CopyButton label="Copy as command" text={command} />
        <CopyButton label="Copy as config" text={`${printableJson(report.configuration)}\n`} />
      </div>
      <WorkProgress work={outcome.saving} words={{ save: 'Saving', compress: 'Compressing' }} />
      <FaultNotice fault={outcome.saving.fault.value} title="It was not saved." />
      {saved !== undefined && <SavedNotice saved={saved} bytes={report.sizes.outputBytes} />}
      <ValidationView outcome={outcome} />
    </>
  );
}

function SavedNotice({ saved, bytes }: { saved: SavedOutput; bytes: number }) {
  const { file, name, packedBytes } = saved;
  return (
    <Good>
      {file === 'download'
        ? `Your browser is saving ${name}: keep this page open until it is there.`
        : `${file.name} is saved, complete.`}
      {packedBytes !== undefined &&
        ` It has ${formatBytes(packedBytes)}, ${Math.round(100 * (1 - packedBytes / bytes))} % less.`}
    </Good>
  );
}

function jsonOf(text: string): Blob {
  return new Blob([text], { type: 'application/json' });
}
