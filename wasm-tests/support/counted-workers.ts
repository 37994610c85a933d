/**
 * Workers of Node, counted where the package gets them from: import this before the package.
 */
import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';

export const counted = { started: 0, ended: 0 };

threads.Worker = class extends threads.Worker {
  constructor(...given: ConstructorParameters<typeof threads.Worker>) {
    super(...given);
    counted.started += 1;
    this.on('exit', () => {
      counted.ended += 1;
    });
  }
};
syncBuiltinESMExports();

export const allEnded = (): boolean => counted.ended === counted.started;

export function countAnew(): void {
  counted.started = 0;
  counted.ended = 0;
}
