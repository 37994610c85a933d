/**
 * What most callers never ask for: it is loaded when somebody does, in one piece. Whoever loads it has the model's turn
 * already, so that calls keep their order.
 */
export { comparisonOf } from '../report/comparison.js';
export { unreadable, validationOf } from '../report/validation.js';
export { BitChoice } from './bit-choice.js';
