/**
 * Puts a text on the clipboard, and says so.
 * It exists because a copy that failed silently is pasted somewhere else.
 * Where the browser refuses, the text is offered to be copied by hand.
 */
import { useState } from 'preact/hooks';

const SAID_MS = 2000;

export function CopyButton({ label, text }: { label: string; text: string }) {
  const [state, setState] = useState<'ready' | 'copied' | 'refused'>('ready');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState('copied');
      setTimeout(() => setState('ready'), SAID_MS);
    } catch {
      setState('refused');
    }
  };
  return (
    <>
      <button type="button" class="button" onClick={copy}>
        {state === 'copied' ? 'Copied' : label}
      </button>
      <span class="hidden" role="status">
        {state === 'copied' ? 'Copied.' : ''}
      </span>
      {state === 'refused' && (
        <textarea readOnly rows={4} value={text} aria-label={`${label}: copy this text by hand`} />
      )}
    </>
  );
}
