/**
 * Things that somebody should know, in the place where they belong.
 * They exist as one piece so that errors and warnings look alike everywhere.
 * Errors are announced at once; warnings wait for their turn.
 */
import type { Warning } from 'monoquant';
import type { ComponentChildren } from 'preact';
import { formatCount, formatPlural } from '../../../js/words/format.js';
import { printable } from '../../../js/words/printable.js';
import type { Fault } from '../fault.js';

export function FaultNotice({ fault, title }: { fault: Fault | undefined; title?: string }) {
  if (fault === undefined) return null;
  return (
    <div class="notice error" role="alert">
      {title !== undefined && <strong>{title} </strong>}
      <span>{printable(fault.message)}</span>
      {fault.suggestion !== undefined && <p>{printable(fault.suggestion)}</p>}
    </div>
  );
}

export function Warnings({ warnings }: { warnings: readonly Warning[] }) {
  if (warnings.length === 0) return null;
  return (
    <ul class="notices" aria-label="Warnings">
      {warnings.map(({ message, tensors, total }) => (
        <li class="notice warning" key={message}>
          {printable(message)}
          {tensors.length > 0 && <TensorNames names={tensors} total={total} />}
        </li>
      ))}
    </ul>
  );
}

/** Warnings name the first twenty. */
function TensorNames({ names, total }: { names: readonly string[]; total: number }) {
  return (
    <details>
      <summary>{total === 1 ? 'The tensor' : formatPlural(total, 'tensor')}</summary>
      <ul class="names">
        {names.map((name) => (
          <li key={name}>{printable(name)}</li>
        ))}
        {total > names.length && <li>{formatCount(total - names.length)} more</li>}
      </ul>
    </details>
  );
}

export function Good({ children }: { children: ComponentChildren }) {
  return (
    <div class="notice good" role="status">
      {children}
    </div>
  );
}
