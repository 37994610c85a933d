/**
 * What to do with the file: code that loads it, to be copied.
 */
import { useId, useMemo, useState } from 'preact/hooks';
import type { Outcome } from '../outcome.js';
import { usagesOf } from '../use.js';
import { CopyButton } from './copy-button.js';

export function UseIt({ outcome }: { outcome: Outcome }) {
  const id = useId();
  const [chosen, choose] = useState(0);
  const { report, model, name } = outcome;
  const file = name.value;
  // Of tens of thousands of tensors the code takes a while.
  const usages = useMemo(() => usagesOf({ report, model, file }), [report, model, file]);
  const usage = usages[chosen] ?? usages[0];
  if (usage === undefined) return null;
  return (
    <div class="use-it">
      <h3 id={id}>Use it</h3>
      <div class="segments" role="group" aria-labelledby={id}>
        {usages.map(({ title }, index) => (
          <button
            type="button"
            key={title}
            aria-pressed={usage.title === title}
            onClick={() => choose(index)}
          >
            {title}
          </button>
        ))}
      </div>
      <p class="quiet">{usage.needs}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <pre class="code" tabIndex={0} role="group" aria-label={`Code for ${usage.title}`}>
        {usage.code}
      </pre>
      <CopyButton label={`Copy for ${usage.title}`} text={usage.code} />{' '}
      <a class="more" href="./docs/loading.html" target="_blank" rel="noopener">
        All ways to load what monoquant writes
      </a>
    </div>
  );
}
