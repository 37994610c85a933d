/**
 * What a log keeps of a report: totals, how good it is, and the tensor that lost most.
 */
import type { RunQuality, RunRecord } from './run-record.js';
import type { Report } from './types.js';

export type Results = Pick<RunRecord, 'version' | 'engine' | 'totals' | 'quality' | 'warnings'>;

export function resultsFor(report: Report): Results {
  const { version, engine, sizes, tensors, copied, corrected, tied, dropped, warnings, part } =
    report;
  const { sourceBytes, outputBytes, packedBytes, parameters, bitsPerWeight } = sizes;
  const unchanged = copied.length + tied.length + dropped.length;
  return {
    version,
    engine,
    totals: {
      sourceBytes,
      outputBytes,
      ...(packedBytes === undefined ? {} : { packedBytes }),
      parameters,
      bitsPerWeight,
      changed: tensors.length + (corrected?.length ?? 0),
      unchanged,
    },
    // Quality is that of the whole.
    ...(part === undefined ? { quality: qualityOf(report) } : {}),
    warnings: warnings.length,
  };
}

function qualityOf({ sqnrDb, outputSqnrDb, tensors }: Report): RunQuality {
  const [worst] = tensors;
  // Of what its layer computes, if that is known.
  const lost =
    worst === undefined
      ? null
      : worst.outputSqnrDb === undefined
        ? worst.sqnrDb
        : worst.outputSqnrDb;
  return {
    sqnrDb,
    outputSqnrDb,
    ...(worst === undefined || lost === null
      ? {}
      : { worst: { tensor: worst.name, sqnrDb: lost } }),
  };
}
