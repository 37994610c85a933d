/**
 * The button that saves a line of each run of this visit, as logs of the command have them.
 */
import { FaultNotice } from './notice.js';
import type { ViewProps } from './view-props.js';

export function ExportRuns({ workbench: { records } }: ViewProps) {
  return (
    <>
      <button
        type="button"
        class="button"
        title="runs.jsonl: a line for each run since this page was loaded, for monoquant runs"
        disabled={records.saving.isRunning.value}
        onClick={() => records.save()}
      >
        Export runs
      </button>
      <FaultNotice fault={records.saving.fault.value} title="The runs were not exported." />
    </>
  );
}
