/**
 * The command that writes the same bytes, and the configuration for a script.
 */
import type { Configuration } from 'monoquant';
import { printableJson } from '../../../js/words/printable.js';
import { CopyButton } from './copy-button.js';

interface RepeatProps {
  readonly command: string;
  readonly configuration: Configuration | undefined;
}

export function Repeat({ command, configuration }: RepeatProps) {
  return (
    <div class="repeat">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <code class="command" tabIndex={0} role="group" aria-label="Command">
        {command}
      </code>
      <div class="buttons">
        <CopyButton label="Copy as command" text={command} />
        {configuration !== undefined && (
          <CopyButton label="Copy as config" text={`${printableJson(configuration)}\n`} />
        )}
      </div>
    </div>
  );
}
