/**
 * Counting the values of one tensor in two files with one worker.
 * It exists so that it is the same in every host.
 * Nothing is written, and the session ends here.
 */
import type { Opening, RunOptions } from '../api/options.js';
import type { Distribution } from '../api/types.js';
import { openOptions } from './open-options.js';
import type { Session } from './session.js';
import { StageProgress } from './stage-progress.js';

export interface DistributionJob<Source> {
  readonly first: Source;
  readonly second: Source;
  readonly tensor: string;
  readonly opening: Opening;
  readonly run: RunOptions;
}

export async function distributionWith<Source>(
  session: Session<Source, unknown, unknown>,
  { first, second, tensor, opening, run: { signal, onProgress } }: DistributionJob<Source>,
): Promise<Distribution> {
  try {
    const options = openOptions(opening, true);
    await session.request('open', { source: second, options }, { signal });
    const progress =
      onProgress === undefined ? undefined : new StageProgress('compare', 1, onProgress);
    const counted = await session.request(
      'distribution',
      { reference: first, options, tensor },
      { signal, onProgress: progress?.of(0) },
    );
    progress?.end();
    return JSON.parse(counted) as Distribution;
  } finally {
    await session.close();
  }
}
