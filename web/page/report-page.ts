/**
 * A report as one HTML file, as the command writes it.
 * It exists as a file of its own because it brings the words of reports, which nobody needs before.
 */
import type { Report } from 'monoquant';
import { htmlOf } from '../../js/words/report/html.js';
import { viewOf } from '../../js/words/report/view.js';
import type { Task } from './command.js';
import type { OpenModel } from './open-model.js';
import { folderOf } from './use.js';

const OTHERS = { convert: 'Conversion', dequantize: 'Dequantization' } as const;

export interface ReportedRun {
  readonly report: Report;
  readonly model: OpenModel;
  readonly task: Task;
  /** Of the output. */
  readonly name: string;
  readonly command: string;
}

export function reportPage({ report, model, task, name, command }: ReportedRun): Blob {
  const view = viewOf(report, {
    model: model.path,
    output: name,
    written: name,
    gates: {},
    folder: folderOf(report, model),
    hasConfig: model.config !== undefined,
    what: task === 'quantize' ? undefined : OTHERS[task],
    command,
  });
  return new Blob([htmlOf(view)], { type: 'text/html' });
}
