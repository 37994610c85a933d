/**
 * The error of a gate that has judged work which was done: it brings the report along.
 * Apart from the other errors because only this one knows what a report is.
 */
import { type ErrorCode, type ErrorDetails, MonoquantError } from './errors.js';
import type { Sentence } from './sentence.js';
import type { Report } from './types.js';

export class GateError extends MonoquantError {
  /**
   * What the run did before the gate closed; nothing of it was kept. Undefined if the plan was enough to know, and where
   * nothing is written.
   */
  readonly report: Report | undefined;

  constructor(code: ErrorCode, message: Sentence, report?: Report, details: ErrorDetails = {}) {
    super(code, message, details);
    this.report = report;
  }

  override toJSON(): object {
    return { ...super.toJSON(), report: this.report };
  }
}
