/**
 * Which engine runs, and the way to more threads where the host sends no headers for them.
 * It exists because isolation that is silently missing is the commonest riddle of such pages.
 * Threads are never forced: the page works without.
 */
import { formatPlural } from '../../../js/words/format.js';
import { canEnableThreads, chooseIsolation, isIsolatedByChoice, isOffline } from '../offline.js';
import type { ViewProps } from './view-props.js';

export function EngineBadge({ workbench }: ViewProps) {
  const engine = workbench.engine.value;
  const hasModel = workbench.model.value !== undefined;
  if (engine === undefined) return <p class="badge">Loading the engine …</p>;
  if ('message' in engine) {
    return (
      <p class="badge error" role="alert">
        {engine.message} {engine.suggestion}
      </p>
    );
  }
  const threads = engine.kind === 'mt' ? formatPlural(engine.threads, 'thread') : 'one thread';
  return (
    <div class="badge">
      <span class="dot" aria-hidden="true" />
      <span>
        Engine ready: {threads}
        {isOffline.value && ', works offline'}
      </span>
      {engine.kind === 'st' && canEnableThreads() && (
        <button
          type="button"
          class="link"
          title={hasModel ? 'The page is loaded anew: choose the model again then.' : undefined}
          onClick={() => chooseIsolation(true)}
        >
          Use more threads
        </button>
      )}
      {engine.kind === 'mt' && isIsolatedByChoice.value && (
        <button type="button" class="link" onClick={() => chooseIsolation(false)}>
          Back to one
        </button>
      )}
    </div>
  );
}
