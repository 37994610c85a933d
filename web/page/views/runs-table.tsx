/**
 * All runs of the model side by side: what each setting saves, and what it costs.
 * It exists because that is the question behind every second run.
 */
import {
  formatBytes,
  formatDecibels,
  formatDuration,
  formatRatio,
} from '../../../js/words/format.js';
import { takenBytes } from '../../../js/words/sizes.js';
import { decibelsOf, worstOf } from '../runs.js';
import { ExportRuns } from './export-runs.js';
import type { ViewProps } from './view-props.js';

export function RunsTable({ workbench }: ViewProps) {
  const runs = workbench.runs.value;
  const shown = workbench.outcome.value;
  if (runs.length < 2) return null;
  return (
    <section class="card" aria-labelledby="runs-title">
      <div class="row">
        <h2 id="runs-title">Runs side by side</h2>
        <ExportRuns workbench={workbench} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <div class="scrolled" tabIndex={0} role="group" aria-labelledby="runs-title">
        <table class="plain-table">
          <thead>
            <tr>
              <th scope="col">Run</th>
              <th scope="col">Size</th>
              <th scope="col">Ratio</th>
              <th scope="col">Bits per weight</th>
              <th scope="col">Quality</th>
              <th scope="col">Worst tensor</th>
              <th scope="col">Time</th>
              <th scope="col">File</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => {
              const { sizes, sqnrDb, outputSqnrDb, timings } = run.report;
              const { sourceBytes: bytes, tensorBytes, outputBytes, bitsPerWeight } = sizes;
              const worst = worstOf(run.report);
              return (
                <tr key={run.name.value} class={run === shown ? 'chosen' : ''}>
                  <th scope="row">{run.label}</th>
                  <td>{formatBytes(outputBytes)}</td>
                  <td>{formatRatio(takenBytes({ bytes, tensorBytes }), outputBytes)}</td>
                  <td>{bitsPerWeight.toFixed(2)}</td>
                  <td>{formatDecibels(outputSqnrDb ?? sqnrDb)}</td>
                  <td>{worst === undefined ? '–' : formatDecibels(decibelsOf(worst))}</td>
                  <td>{formatDuration(timings.planMs + timings.encodeMs + timings.verifyMs)}</td>
                  <td>{run.name.value}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
