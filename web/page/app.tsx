/**
 * The page from top to bottom.
 * It exists as its table of contents: every part is a view of the workbench.
 * What needs a model is there only with one.
 */
import { version } from 'monoquant';
import { formatPlural } from '../../js/words/format.js';
import { DropZone } from './views/drop-zone.js';
import { EngineBadge } from './views/engine-badge.js';
import { Explanation } from './views/explanation.js';
import { ModelPlace } from './views/model-place.js';
import type { ViewProps } from './views/view-props.js';

export function App({ workbench }: ViewProps) {
  const isOpen = workbench.model.value !== undefined;
  return (
    <>
      <header class="top">
        <p class="brand">
          <img src="./icon.svg" alt="" width="28" height="28" />
          <span>monoquant</span>
        </p>
        {isOpen && <DropZone workbench={workbench} />}
        <EngineBadge workbench={workbench} />
        <a class="docs" href="./docs/index.html" target="_blank" rel="noopener">
          Docs
        </a>
      </header>
      <p class="hidden" role="status">
        {spoken(workbench)}
      </p>
      <main class={isOpen ? 'open' : 'empty'}>
        <h1 class={isOpen ? 'hidden' : ''}>Make model weights small</h1>
        {!isOpen && (
          <p class="lead">
            INT8, INT4 or 16-bit floats from any PyTorch or safetensors checkpoint, ready for vLLM,
            transformers and PyTorch. It runs on this device: nothing is uploaded. Turn your network
            off and try.
          </p>
        )}
        {!isOpen && <DropZone workbench={workbench} />}
        {!isOpen && <Explanation />}
        <ModelPlace workbench={workbench} />
      </main>
      <footer>
        <p>
          No upload, no account, no tracking. After loading, this page asks for nothing but a model
          whose URL you open, and its own files for an example or a conversation that you start.
          Pickle files are read, never run.
        </p>
        <p>
          monoquant {version()}, also as a command: <code>npx monoquant quantize MODEL</code> ·{' '}
          <a href="./docs/index.html" target="_blank" rel="noopener">
            Documents
          </a>{' '}
          ·{' '}
          <a href="./docs/changelog.html" target="_blank" rel="noopener">
            Changes
          </a>{' '}
          ·{' '}
          {__LINKS__.map(({ title, url }) => (
            <span key={title}>
              <a href={url}>{title}</a> ·{' '}
            </span>
          ))}
          <a href="./third-party.txt">Notices for code of others</a>
        </p>
      </footer>
    </>
  );
}

/** For those who do not see that a model is there. */
function spoken({ waysIn: { opening }, model }: ViewProps['workbench']): string {
  if (opening.value !== undefined) return `Opening ${opening.value}.`;
  if (model.value === undefined) return '';
  return `${model.value.name} is open: ${formatPlural(model.value.catalog.tensors.length, 'tensor')}.`;
}
