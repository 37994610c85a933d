/**
 * What every view of the workbench is given.
 * It exists so that views know nothing of each other.
 * Views read signals and call actions; they hold no state but what is typed and not yet said.
 */
import type { Workbench } from '../workbench.js';

export interface ViewProps {
  readonly workbench: Workbench;
}
