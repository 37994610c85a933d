/**
 * The command that writes the same bytes, and the configuration for a script.
 */
import type { Configuration } from 'monoquant';
import { Fragment } from 'preact';
import { printableJson } from '../../../js/words/printable.js';
import { CopyButton } from './copy-button.js';

interface RepeatProps {
  readonly command: string;
  readonly configuration: Configuration | undefined;
}

/** Lines end between words, and not within `--bits`. */
function Words({ command }: Pick<RepeatProps, 'command'>) {
  const words = command.split(' ');
  return (
    <>
      {words.map((word, index) => (
        <Fragment key={index}>
          {index > 0 && ' '}
          <span class="word">{word}</span>
        </Fragment>
      ))}
    </>
  );
}

export function Repeat({ command, configuration }: RepeatProps) {
  return (
    <div class="repeat">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <code class="command" tabIndex={0} role="group" aria-label="Command">
        <Words command={command} />
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
