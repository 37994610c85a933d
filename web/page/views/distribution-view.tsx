/**
 * Histograms of one tensor: its weights before and after, and the error.
 * It exists because one number hides outliers, clipped ends and empty levels.
 * Counted when a tensor is chosen, reading both files in parts.
 */
import type { Distribution } from 'monoquant';
import { useEffect, useState } from 'preact/hooks';
import { formatCount, formatError } from '../../../js/words/format.js';
import { type Fault, faultOf } from '../fault.js';
import type { Outcome } from '../outcome.js';
import { Histogram } from './histogram.js';
import { FaultNotice } from './notice.js';

export function DistributionView({ outcome, tensor }: { outcome: Outcome; tensor: string }) {
  const [found, setFound] = useState<Distribution | Fault | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    setFound(undefined);
    outcome.distribution(tensor, abort.signal).then(setFound, (error) => setFound(faultOf(error)));
    return () => abort.abort();
  }, [outcome, tensor]);
  if (found === undefined) return <p class="quiet">Counting …</p>;
  if ('message' in found) return <FaultNotice fault={found} />;
  const { weights, before, after, error, elements, notFinite } = found;
  return (
    <div class="charts">
      <Histogram
        title="Weights before and after"
        range={weights}
        series={[
          { label: 'before', counts: before, colour: '--before' },
          { label: 'after', counts: after, colour: '--after' },
        ]}
        summary={`${formatCount(elements)} weights from ${formatError(weights.low)} to ${formatError(weights.high)}, counted on a logarithmic scale.${
          notFinite > 0
            ? ` ${formatCount(notFinite)} that are no finite numbers are not counted.`
            : ''
        }`}
      />
      <Histogram
        title="Error"
        range={error}
        series={[{ label: 'weights', counts: error.counts, colour: '--error' }]}
        summary={
          error.high === 0
            ? 'No weight changed.'
            : `What was added to each weight: at most ${formatError(error.high)} either way.`
        }
      />
    </div>
  );
}
