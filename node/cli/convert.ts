/**
 * `monoquant convert`: copies all tensors, bit for bit, into another kind of file.
 * It exists as the safe way out of pickles: what reads the output needs to trust nobody.
 */
import type { ConvertOptions } from '../../js/api/options.js';
import type { Report } from '../../js/api/types.js';
import { formatPlural } from '../../js/words/format.js';
import type { Arguments } from './arguments.js';
import { readConfig } from './config-file.js';
import { CONVERT_RUN, type ConvertFlag } from './flags.js';
import { rewrite } from './rewrite.js';
import type { Session } from './session.js';
import { modelAndOutput } from './two-files.js';

export async function runConvert(
  { values, options, operands }: Arguments<ConvertFlag>,
  session: Session,
): Promise<void> {
  const config = readConfig(values.config, CONVERT_RUN);
  const { model, output } = modelAndOutput(
    operands,
    options.output,
    config.run.output,
    'monoquant convert model.pt model.safetensors',
  );
  const { convert } = await import('../index.js');
  const call = (choices: ConvertOptions) => convert(model, choices);
  await rewrite({ output, values, config, options, call, facts }, session);
}

function facts(report: Report): [string, string][] {
  const { copied, tied, dropped } = report;
  return [
    ['copied', `${formatPlural(copied.length, 'tensor')}, bit for bit`],
    ...(tied.length > 0
      ? [['tied', formatPlural(tied.length, 'more name')] as [string, string]]
      : []),
    ...(dropped.length > 0
      ? [['dropped', formatPlural(dropped.length, 'tensor')] as [string, string]]
      : []),
  ];
}
