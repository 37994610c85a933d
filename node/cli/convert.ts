/**
 * `monoquant convert`: copies all tensors, bit for bit, into another kind of file.
 * It exists as the safe way out of pickles: what reads the output needs to trust nobody.
 */
import type { ConvertOptions } from '../../js/api/options.js';
import type { Report } from '../../js/api/types.js';
import { formatPlural } from '../../js/words/format.js';
import type { Arguments } from './arguments.js';
import type { ConvertFlag } from './flags.js';
import { countDecisions, rewrite } from './rewrite.js';
import type { Session } from './session.js';
import { modelAndOutput } from './two-files.js';

export async function runConvert(
  { values, options, operands }: Arguments<ConvertFlag>,
  session: Session,
): Promise<void> {
  const { model, output } = modelAndOutput(
    operands,
    'monoquant convert model.pt model.safetensors',
  );
  const { convert } = await import('../index.js');
  const call = (choices: ConvertOptions) => convert(model, choices);
  await rewrite({ model, output, values, options, call, facts }, session);
}

function facts(report: Report): [string, string][] {
  const tied = countDecisions(report, 'tie');
  const dropped = countDecisions(report, 'drop');
  return [
    ['copied', `${formatPlural(countDecisions(report, 'copy'), 'tensor')}, bit for bit`],
    ...(tied > 0 ? [['tied', formatPlural(tied, 'more name')] as [string, string]] : []),
    ...(dropped > 0 ? [['dropped', formatPlural(dropped, 'tensor')] as [string, string]] : []),
  ];
}
